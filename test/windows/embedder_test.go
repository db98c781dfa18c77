//go:build linux

package windows

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay"
)

// turn asks a crowd beside a relay to offer actions to a window.
type turn struct {
	Window string
	People int
	Within time.Duration
}

// embed is a program that embeds a relay: it takes turns and answers with harvests.
func embed(r *relay.Relay, turns io.Reader, harvests io.Writer) {
	s, _ := r.Stream("wheel")
	in, out := json.NewDecoder(turns), json.NewEncoder(harvests)
	for {
		var t turn
		if in.Decode(&t) != nil {
			return // nobody asks any more
		}
		c := crowd{submitting(s, t.Window)}
		if out.Encode(c.offer(context.Background(), t.Window, t.People, t.Within)) != nil {
			return
		}
	}
}

// remote is a crowd in another process.
type remote struct {
	t   *testing.T
	in  *json.Encoder
	out *json.Decoder
}

func newRemote(t *testing.T, cmd *exec.Cmd) *remote {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return &remote{t, json.NewEncoder(in), json.NewDecoder(out)}
}

// begin has the crowd begin; harvest waits for what came.
func (r *remote) begin(w turn) {
	r.t.Helper()
	if err := r.in.Encode(w); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) harvest() (h harvest) {
	r.t.Helper()
	if err := r.out.Decode(&h); err != nil {
		r.t.Fatal(err)
	}
	return h
}

// Bursts of actions through the Go API of a program that embeds a relay, and seconds
// without one between them: viewers lose nothing, and their media is as quick.
func TestMediaDuringBursts(t *testing.T) {
	begin(t)
	plan := newPlan(t, t.TempDir())
	plan.Crowd = true
	film(t, plan)
	r := launch(t, plan)
	viewers := audience(t, "http://"+r.HTTP, []string{"wheel"}, ofFull(20, 4), 2)
	p := newPurse(t)
	var calm, busy, waits []time.Duration // the 99th percentile of each turn
	for round := range ofFull(9, 1) {
		name := fmt.Sprint("r", round)
		r.open(name)
		for _, turns := range []*[]time.Duration{&calm, &busy} {
			if err := viewers.Begin(); err != nil {
				t.Fatal(err)
			}
			if turns == &busy {
				r.crowd.begin(turn{name, ofFull(20_000, 2000), time.Second})
			}
			during(t.Context(), time.Second)
			*turns = append(*turns, share(lossless(t, viewers, name).Latency, 0.99))
		}
		h := r.crowd.harvest()
		waits = append(waits, share(h.Waits, 0.99))
		p.keep(h)
	}
	p.audit(export(t, "http://"+r.HTTP, "wheel"))
	for _, d := range []*[]time.Duration{&calm, &busy, &waits} {
		slices.Sort(*d)
	}
	t.Logf("media, p99 of each second: median %v without and %v with a burst; %v and %v; receipts p99 %v",
		ms(share(calm, 0.5)), ms(share(busy, 0.5)), calm, busy, waits)
}

// A relay that begins with what many rounds left behind knows all of them.
func TestStartAfterManyRounds(t *testing.T) {
	begin(t)
	plan := newPlan(t, t.TempDir())
	plan.Crowd = true
	film(t, plan)
	r := launch(t, plan)
	actions := ofFull(20_000, 2000)
	rounds := ofFull(10, 2)
	for round := range rounds {
		name := fmt.Sprint("r", round)
		r.open(name)
		r.crowd.begin(turn{name, actions, time.Second})
		if h := r.crowd.harvest(); len(h.Receipts) != 3*actions {
			t.Fatalf("%d receipts of %d actions: %v", len(h.Receipts), actions, h.Errors)
		}
		r.must("POST", "/v1/streams/wheel/windows/"+name+"/close", map[string]any{}, http.StatusCreated)
	}
	r.kill()
	begun := time.Now()
	r = launch(t, plan)
	t.Logf("took events %v after its start, with %d actions in the journal", ms(time.Since(begun)), rounds*actions)
	if w := r.windows(); len(w) != rounds {
		t.Errorf("of %d windows it knows %v", rounds, w)
	}
}
