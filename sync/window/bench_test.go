package window

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/framelock/relay/sync/marker"
)

// crowd is one window's worth of actions, each of a viewer of its own.
func crowd(n int) []*Action {
	all := make([]*Action, n)
	for i := range all {
		a := action(fmt.Sprintf("action-%d", i))
		a.Subject, a.Session = fmt.Sprintf("subject.%016d", i), fmt.Sprintf("session.%016d", i)
		a.Digest[0] = 1
		all[i] = &a
	}
	return all
}

func openCrowded(b *Book, window string) {
	r := usual
	r.MaxActions = MaxActions
	data, err := json.Marshal(r)
	if err == nil {
		err = b.Apply(&marker.Event{Kind: marker.WindowOpen, Window: window, TS: frame(0), Data: data})
	}
	if err != nil {
		panic(err)
	}
}

// 20,000 viewers act in one window; the Book has its last windows already.
func BenchmarkJudge(b *testing.B) {
	const viewers = 20_000
	b.ReportAllocs()
	book := NewBook()
	for n := 0; n < b.N; {
		b.StopTimer()
		name := fmt.Sprint("w", n)
		openCrowded(book, name)
		all := crowd(min(viewers, b.N-n))
		for i, a := range all {
			a.Window, a.ID = name, fmt.Sprint(name, "-", i)
		}
		b.StartTimer()
		for _, a := range all {
			book.Judge(a)
		}
		b.StopTimer()
		if all[0].Verdict != Accepted {
			b.Fatal(all[0].Reason)
		}
		n += len(all)
		if err := book.Apply(&marker.Event{Kind: marker.Void, Window: name}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkJudgeRepeat(b *testing.B) {
	book := NewBook()
	openCrowded(book, "w")
	a := *crowd(1)[0]
	first := a
	book.Judge(&first)
	b.ReportAllocs()
	for b.Loop() {
		again := a
		if book.Judge(&again) != &first {
			b.Fatal("no repeat")
		}
	}
}

func BenchmarkReplayLine(b *testing.B) {
	book := NewBook()
	openCrowded(book, "w")
	a := crowd(1)[0]
	book.Judge(a)
	line := a.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeAction(line); err != nil {
			b.Fatal(err)
		}
	}
}

func TestJudgeAllocations(t *testing.T) {
	book := NewBook()
	openCrowded(book, "w")
	all := crowd(20_000)
	i := 0
	// What remains is the growth of maps and slices, spread over the actions.
	if n := testing.AllocsPerRun(len(all)-1, func() { book.Judge(all[i]); i++ }); n > 1 {
		t.Errorf("%v allocations for an action", n)
	}
	if w, _ := book.Window("w"); w.Accepted != len(all) {
		t.Errorf("%d are accepted", w.Accepted)
	}
	all[0].Session = "" // no longer what it was: only its id counts
	refused := *all[1]
	refused.Digest[0]++
	if n := testing.AllocsPerRun(1000, func() { book.Judge(&refused) }); n > 0 {
		t.Errorf("%v allocations for a reused id", n)
	}
}
