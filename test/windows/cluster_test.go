//go:build linux

package windows

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay/sync/window"
)

// heir is the plan of a relay that takes over from another: it has its keys, and
// nothing else of its disk.
func heir(t *testing.T, of plan) plan {
	t.Helper()
	p := newPlan(t, t.TempDir())
	p.Journal = of.Journal
	keys, err := fs.Glob(os.DirFS(of.Dir), "*.key")
	if err != nil || len(keys) != 2 {
		t.Fatalf("keys %v: %v", keys, err)
	}
	for _, key := range keys {
		b, err := os.ReadFile(filepath.Join(of.Dir, key))
		if err == nil {
			err = os.WriteFile(filepath.Join(p.Dir, key), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// A relay is killed in the middle of a round, and another takes over; then a third
// takes over from one that lives.
func TestTakeover(t *testing.T) {
	onlyFull(t)
	first := newPlan(t, t.TempDir())
	first.Journal = startCluster(t, 3).urls()
	film(t, first)
	a := launch(t, first)
	second := heir(t, first)
	film(t, second)
	third := heir(t, first)
	film(t, third)
	p := newPurse(t)

	const lasts = 8 * time.Second
	var opened struct {
		TS       uint64 `json:"ts"`
		ClosesTS uint64 `json:"closes_ts"`
	}
	name := "r1"
	if err := json.Unmarshal(a.must("POST", "/v1/streams/wheel/windows", map[string]any{
		"window": name, "at": map[string]any{"next": true}, "closes": map[string]any{"after_ms": lasts.Milliseconds()},
	}, http.StatusCreated), &opened); err != nil {
		t.Fatal(err)
	}
	unanswered := burst(a, p, name, 2000)
	killed := time.Now()
	b := launch(t, second)
	taken := time.Since(killed)
	repeatAll(b, p, unanswered)
	t.Logf("the second relay takes events %v after the first was killed, and has said again %d receipts %v after", ms(taken), p.len(), ms(time.Since(killed)))
	eventually(t, "the window is closed", func() bool { return b.windows()[name] == "closed" })
	text := export(t, "http://"+b.HTTP, "wheel")
	h := p.audit(text)
	h.one(t, name, p.len())
	var closing struct{ Reason string }
	if err := json.Unmarshal(h.closing[name].Data, &closing); err != nil {
		t.Fatal(err)
	}
	if c := h.closing[name]; closing.Reason != "deadline" || c.TS < opened.ClosesTS || c.TS > opened.ClosesTS+90_000/10 {
		t.Errorf("the window closed on frame %d (%s), and was to close at %d", c.TS, closing.Reason, opened.ClosesTS)
	}

	c := launch(t, third)
	eventually(t, "the second relay is fenced", func() bool {
		status, answer, err := b.call("POST", "/v1/streams/wheel/markers", map[string]any{"id": fmt.Sprint("m", time.Now().UnixNano()), "kind": "marker", "at": map[string]any{"next": true}})
		return err == nil && status != http.StatusCreated && strings.Contains(string(answer), "not_owner")
	})
	if status, said := get(t, "http://"+b.Admin+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(string(said), "not_owner") {
		t.Errorf("/readyz of the second: %d %s", status, said)
	}
	if answer, err := b.act(name, "fenced"); err != nil || p.add(answer) != window.ReasonNotOwner {
		t.Errorf("an action at the second: %s %v", answer, err)
	}
	repeatAll(c, p, nil)
	p.audit(export(t, "http://"+c.HTTP, "wheel"))
}

// A relay is cut off from its journal: what it takes is bounded and becomes durable in
// order when the line is back, and what it does not take it refuses.
func TestCutOff(t *testing.T) {
	onlyFull(t)
	line := startWire(t, startCluster(t, 3).nodes[0])
	cfg := config(t.TempDir())
	cfg.State.Journal.URL = line.url()
	w := newTable(t, cfg)
	viewer := w.join(true)
	events := w.events()
	w.open("r1")
	if err := viewer.Begin(); err != nil {
		t.Fatal(err)
	}
	p := newPurse(t)
	act := byAPI(t.Context(), w.wheel, "r1")
	var acting sync.WaitGroup
	offer := func(prefix string, d time.Duration) {
		for until, n := time.Now().Add(d), 0; time.Now().Before(until); n++ {
			acting.Go(func() {
				b, err := act(fmt.Sprint(prefix, "-", n))
				if err != nil {
					t.Error(err)
					return
				}
				p.add(b)
			})
			during(t.Context(), 2*time.Millisecond)
		}
	}
	offer("before", time.Second)
	line.set(true, 0)
	offer("cut", 10*time.Second)
	status, said := get(t, w.admin+"/readyz")
	if status != http.StatusServiceUnavailable {
		t.Errorf("/readyz while cut off: %d %s", status, said)
	}
	line.set(false, 0)
	mended := time.Now()
	acting.Wait()
	t.Logf("cut off for 10 s: %d durable, refused %s, the last receipt %v after the line was back; /readyz said %s", p.len(), p.refusals(), ms(time.Since(mended)), said)
	if n := p.refusedFor(window.ReasonJournalUnavailable); n == 0 || len(p.refused) != 1 {
		t.Errorf("refused: %s", p.refusals())
	}
	seen := viewer.Seen()
	if seen.Gaps > 0 || seen.Damaged > 0 || seen.Packets == 0 {
		t.Errorf("media: %d packets, %d missing, %d damaged", seen.Packets, seen.Gaps, seen.Damaged)
	}
	eventually(t, "actions are taken again", func() bool {
		b, err := act(fmt.Sprint("after-", time.Now().UnixNano()))
		return err == nil && p.add(b) == window.Accepted
	})
	if err := w.close("r1"); err != nil {
		t.Fatal(err)
	}
	w.closed(events, "r1")
	h := p.audit(export(t, w.base, "wheel"))
	h.one(t, "r1", p.len())
}
