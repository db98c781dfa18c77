package load

import (
	"context"
	"time"
)

// Player performs a plan in real time. One goroutine runs it; Hold and Go may be
// called from another.
type Player struct {
	plan  *Plan
	send  func(due []Slot, now time.Time)
	holds chan hold
}

type hold struct {
	held bool
	done chan struct{} // closed when nothing more will be sent, or at once to go on
}

// NewPlayer returns a player that calls send with the slots that are due together.
// It begins held.
func NewPlayer(plan *Plan, send func(due []Slot, now time.Time)) *Player {
	return &Player{plan: plan, send: send, holds: make(chan hold)}
}

// Run plays until ctx ends.
func (p *Player) Run(ctx context.Context) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []Slot
	var quiet chan struct{} // who waits for the plan to be quiet
	for {
		wait := time.Hour
		if at, ok := p.plan.Next(); ok {
			wait = time.Until(start.Add(at))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case h := <-p.holds:
			p.plan.Hold(h.held, time.Since(start))
			quiet = h.done
			if !h.held {
				close(quiet)
				quiet = nil
			}
		case <-timer.C:
			now := time.Now()
			due = due[:0]
			p.plan.Due(now.Sub(start), func(s Slot) { due = append(due, s) })
			if len(due) > 0 {
				p.send(due, now)
			}
		}
		if quiet != nil && p.plan.Quiet() {
			close(quiet)
			quiet = nil
		}
	}
}

// Hold ends the sending at the ends of frames and returns when the last has been
// sent; Go goes on.
func (p *Player) Hold(ctx context.Context) error { return p.ask(ctx, true) }

// Go goes on sending.
func (p *Player) Go(ctx context.Context) error { return p.ask(ctx, false) }

func (p *Player) ask(ctx context.Context, held bool) error {
	h := hold{held, make(chan struct{})}
	select {
	case p.holds <- h:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
