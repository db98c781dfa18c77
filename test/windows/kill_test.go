//go:build linux

package windows

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/framelock/relay/sync/window"
)

// A relay is killed at a random moment of a burst, again and again. What it has said
// before is what it says afterwards, and what the transcript says.
func TestKilled(t *testing.T) {
	begin(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	plan := newPlan(t, t.TempDir())
	film(t, plan)
	purse := newPurse(t)
	var unanswered []string // ids of actions whose answer the kill took away
	kills := ofFull(10, 2)
	for round := range kills {
		r := launch(t, plan)
		repeatAll(r, purse, unanswered)
		name := fmt.Sprint("r", round)
		r.open(name)
		unanswered = burst(r, purse, name, 1+random.IntN(3000))
	}
	r := launch(t, plan)
	repeatAll(r, purse, unanswered)
	for round := range kills {
		r.must("POST", fmt.Sprintf("/v1/streams/wheel/windows/r%d/close", round), nil, http.StatusCreated)
	}
	eventually(t, "the windows are closed", func() bool {
		for _, phase := range r.windows() {
			if phase != "closed" {
				return false
			}
		}
		return true
	})
	h := purse.audit(export(t, "http://"+r.HTTP, "wheel"))
	taken := 0
	for round := range kills {
		taken += h.closed[fmt.Sprint("r", round)].Accepted
	}
	if taken != len(h.accepted) || taken != purse.len() || h.recovered != kills {
		t.Errorf("%d actions are in the windows' records, %d accepted, %d receipts; %d recoveries of %d kills", taken, len(h.accepted), purse.len(), h.recovered, kills)
	}
	t.Logf("%d actions accepted over %d kills", taken, kills)
}

// burst has many act at once until so many have their receipts, and kills the relay.
// It returns the ids of those that got no answer.
func burst(r *process, purse *purse, name string, receipts int) (unanswered []string) {
	r.Helper()
	var acting sync.WaitGroup
	var mu sync.Mutex
	left, dead := receipts, false
	for i := range 64 {
		acting.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprint(name, "-", i, "-", n)
				b, err := r.act(name, id)
				mu.Lock()
				switch {
				case err == nil:
					if v := purse.add(b); v != window.Accepted {
						r.Errorf("%s", b)
					}
					if left--; left == 0 {
						dead = true
						r.cmd.Process.Kill()
					}
				case !dead:
					r.Errorf("action %s: %v", id, err)
				default:
					unanswered = append(unanswered, id)
				}
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	acting.Wait()
	r.kill()
	return unanswered
}

// repeatAll sends again what was answered, which gets the same answer, and what was
// not, which gets one.
func repeatAll(r *process, purse *purse, unanswered []string) {
	r.Helper()
	ids := make(chan string)
	var acting sync.WaitGroup
	for range 16 {
		acting.Go(func() {
			for id := range ids {
				name, _, _ := bytes.Cut([]byte(id), []byte("-"))
				b, err := r.act(string(name), id)
				if err != nil {
					r.Errorf("action %s again: %v", id, err)
					continue
				}
				if v := purse.add(b); v != window.Accepted {
					r.Errorf("again: %s", b)
				}
			}
		})
	}
	for _, id := range append(purse.ids(), unanswered...) {
		ids <- id
	}
	close(ids)
	acting.Wait()
}
