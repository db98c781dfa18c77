package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/transcript"
)

// until waits for the event of a kind about a window.
func until(t *testing.T, events <-chan []byte, k Kind, window string) Event {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case b, ok := <-events:
			if !ok {
				t.Fatal("the events ended")
			}
			e, err := DecodeEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == k && e.Window == window {
				return e
			}
		case <-timeout:
			t.Fatalf("no %s of %s", k, window)
		}
	}
}

// verified exports the transcript over HTTP and has an auditor check it.
func (r *running) verified(kept transcript.Evidence) {
	r.t.Helper()
	res, err := http.Get(r.base + "/v1/streams/wheel/log/export?payloads")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s %v", res.Status, err)
	}
	report, err := transcript.Verify(bytes.NewReader(b), kept)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range report.Findings {
		r.t.Errorf("transcript: %v", f)
	}
}

// A round: thousands act, one result, which survives a restart and which anybody can
// check.
func TestARoundIsDurableAndCanBeChecked(t *testing.T) {
	dir := t.TempDir()
	receipts := map[string][]byte{}
	var mu sync.Mutex
	const people = 200
	act := func(r *running, i int) {
		id := fmt.Sprint("bet-", i)
		b, err := r.wheel.Act(t.Context(), Action{ID: id, Window: "r1", Data: json.RawMessage(fmt.Sprint(i % 37))}, fmt.Sprint("user-", i))
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if before, ok := receipts[id]; ok && !bytes.Equal(before, b) {
			t.Errorf("%s: receipt %s, before %s", id, b, before)
		}
		if !bytes.Contains(b, []byte(`"verdict":"accepted"`)) {
			t.Errorf("%s", b)
		}
		receipts[id] = b
	}
	r := start(t, func(c *Config) { c.State.Dir = dir })
	r.film()
	events, err := r.wheel.Subscribe(t.Context(), Newest)
	if err != nil {
		t.Fatal(err)
	}
	opened, closes, err := r.wheel.OpenWindow(t.Context(), Window{Window: "r1", At: Next(), ClosesAfter: 2 * time.Second})
	if err != nil || closes != opened.TS+2*90000 {
		t.Fatalf("%+v closes at %d: %v", opened, closes, err)
	}
	if again, _, err := r.wheel.OpenWindow(t.Context(), Window{Window: "r1", At: Next(), ClosesAfter: 2 * time.Second}); err != nil || again != opened {
		t.Errorf("the same again: %+v %v", again, err)
	}
	if _, _, err := r.wheel.OpenWindow(t.Context(), Window{Window: "r1", At: Next()}); !errors.Is(err, ErrConflict) {
		t.Errorf("the same name for another: %v", err)
	}
	var running sync.WaitGroup
	for i := range people {
		running.Go(func() { act(r, i); act(r, i) })
	}
	running.Wait()
	if _, err := r.wheel.Mark(t.Context(), Marker{ID: "o1", Kind: Outcome, Window: "r1", At: Next()}); !errors.Is(err, ErrWindowNotClosed) {
		t.Errorf("an outcome before the close: %v", err)
	}
	if status, body := r.call("POST", "/v1/streams/wheel/windows/r1/actions", `{"id":"x","data":1,"seen":{"ts":5}}`); status != 400 || body["field"] != "seen" {
		t.Errorf("a frame without a session: %d %v", status, body)
	}
	if status, body := r.call("GET", "/v1/streams/wheel/journal?after=100000", ""); status != 410 || body["value"] != "100000" {
		t.Errorf("a position that the journal does not have: %d %v", status, body)
	}
	closing := until(t, events, marker.WindowClosing, "r1")
	if step := uint64(1800); closing.TS < closes || closing.TS >= closes+step || closing.LateMS != 0 {
		t.Errorf("closed at %d, want the first frame from %d on", closing.TS, closes)
	}
	closed := until(t, events, marker.WindowClose, "r1")
	var d struct{ Accepted, Rejected int }
	if err := json.Unmarshal(closed.Data, &d); err != nil || d.Accepted != people {
		t.Fatalf("%s: %v", closed.Data, err)
	}
	late, err := r.wheel.Act(t.Context(), Action{ID: "late", Window: "r1"}, "user-1")
	if err != nil || !strings.Contains(string(late), `"reason":"window_closed"`) {
		t.Errorf("%s %v", late, err)
	}
	if _, err := r.wheel.Mark(t.Context(), Marker{ID: "o1", Kind: Outcome, Window: "r1", At: Next(), Data: json.RawMessage(`17`)}); err != nil {
		t.Fatal(err)
	}
	kept := transcript.Evidence{}
	r.verified(kept)
	r.stop()

	again := start(t, func(c *Config) { c.State.Dir = dir })
	again.film()
	for i := range people {
		act(again, i)
	}
	windows, err := again.wheel.Windows(t.Context())
	if err != nil || len(windows) != 1 || windows[0].Accepted != people || windows[0].Phase.String() != "closed" {
		t.Errorf("%+v %v", windows, err)
	}
	seventh, err := again.wheel.Receipt(t.Context(), "r1", "bet-7", "user-7")
	if err != nil || seventh == nil || !bytes.Equal(seventh.Receipt, receipts["bet-7"]) || seventh.Proof == nil || seventh.Proof.Root != windows[0].Root {
		t.Errorf("the receipt once more: %+v %v", seventh, err)
	}
	if other, err := again.wheel.Receipt(t.Context(), "r1", "bet-7", "user-8"); err != nil || other != nil {
		t.Errorf("somebody else's: %+v %v", other, err)
	}
	if status, body := again.call("GET", "/v1/streams/wheel/windows/r1/receipts/bet-7?subject=user-7", ""); status != 200 || body["proof"] == nil {
		t.Errorf("the receipt for a subject: %d %v", status, body)
	}
	var receipt struct{ Order uint64 }
	if err := json.Unmarshal(receipts["bet-7"], &receipt); err != nil {
		t.Fatal(err)
	}
	if err := again.wheel.Erase(t.Context(), receipt.Order); err != nil {
		t.Fatal(err)
	}
	if gone, err := again.wheel.Receipt(t.Context(), "r1", "bet-7", "user-7"); err != nil || gone != nil {
		t.Errorf("the receipt of what was erased: %+v %v", gone, err)
	}
	if b, err := again.wheel.Act(t.Context(), Action{ID: "bet-7", Window: "r1", Data: json.RawMessage("7")}, "user-7"); err != nil || !bytes.Contains(b, []byte(`"reason":"id_reused"`)) {
		t.Errorf("what was erased, once more: %s %v", b, err)
	}
	if err := again.wheel.Erase(t.Context(), 1<<40); err == nil {
		t.Error("an action that is not there was erased")
	}
	lines := 0
	ctx, cancel := context.WithCancel(t.Context())
	err = again.wheel.Follow(ctx, 1, func(pos uint64, line, payload []byte) error {
		if lines++; pos != uint64(lines) {
			t.Fatalf("line %d has the position %d", lines, pos)
		}
		if bytes.Contains(line, []byte(`"type":"action"`)) && (payload == nil) != bytes.Contains(line, fmt.Appendf(nil, `"order":%d,`, receipt.Order)) {
			t.Errorf("order %d was erased; %s has the data %s", receipt.Order, line, payload)
		}
		if bytes.Contains(line, []byte(`"kind":"recovered"`)) {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	again.verified(kept)
}
