//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/measure"
)

// window is what was used and delivered between two moments at which the studio
// held its breath, so that the counts are exact.
type window struct {
	wall      time.Duration
	server    time.Duration // processor time
	load      time.Duration // of this process
	others    time.Duration // of everything else on the machine
	busy      float64       // share of the processors
	sent      uint64        // by the studio
	expected  uint64        // at all receivers
	delivered uint64
	least     int64 // packets that the worst receiver got more than it should: negative if it lost some
	most      int64 // the same for the best
	seen      load.Seen
	broken    error
}

// moment is everything that is read at the start and the end of a window.
type moment struct {
	at           time.Time
	server, load time.Duration
	machine      measure.Machine
	sent         []uint64
}

const (
	settleStep = 20 * time.Millisecond
	settled    = 4 // steps without a packet
	// settleLimit is how long packets may take to arrive. The relay takes a studio
	// that says nothing for 400 ms for paused, which would be work of its own.
	settleLimit = 330 * time.Millisecond
)

// measure lets the studio send for a while, or until during returns if that is
// given, and returns what that took.
func (sc *scene) measure(ctx context.Context, d time.Duration, during func(context.Context) error) (window, error) {
	if err := sc.quiet(ctx); err != nil {
		return window{}, err
	}
	if err := sc.receivers.Begin(); err != nil {
		return window{}, err
	}
	before, err := sc.read(ctx)
	if err != nil {
		return window{}, err
	}
	if err := sc.input.Go(ctx); err != nil {
		return window{}, err
	}
	if during != nil {
		err = during(ctx)
	} else {
		err = wait(ctx, d)
	}
	if err != nil {
		return window{}, err
	}
	if err := sc.quiet(ctx); err != nil {
		return window{}, err
	}
	after, err := sc.read(ctx)
	if err != nil {
		return window{}, err
	}
	w, err := sc.compare(before, after)
	if err != nil {
		return window{}, err
	}
	return w, sc.input.Go(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quiet holds the studio and waits until what is under way has arrived.
func (sc *scene) quiet(ctx context.Context) error {
	if err := sc.input.Hold(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(settleLimit)
	var last uint64
	for same := 0; same < settled && time.Now().Before(deadline); {
		if err := wait(ctx, settleStep); err != nil {
			return err
		}
		counts, err := sc.receivers.Delivered()
		if err != nil {
			return err
		}
		now := total(counts)
		same++
		if now != last {
			same = 0
		}
		last = now
	}
	return nil
}

func total(counts [][]uint64) uint64 {
	var sum uint64
	for _, stream := range counts {
		for _, n := range stream {
			sum += n
		}
	}
	return sum
}

func (sc *scene) read(ctx context.Context) (moment, error) {
	m := moment{at: time.Now()}
	var err error
	if m.server, err = measure.CPU(sc.pid()); err != nil {
		return m, fmt.Errorf("%w\n%s", err, sc.complaints())
	}
	if m.load, err = measure.CPU(os.Getpid()); err != nil {
		return m, err
	}
	if m.machine, err = measure.ReadMachine(); err != nil {
		return m, err
	}
	m.sent, err = sc.input.Sent(ctx)
	m.sent = slices.Clone(m.sent)
	return m, err
}

// compare holds what arrived against what was sent.
func (sc *scene) compare(before, after moment) (window, error) {
	w := window{
		wall: after.at.Sub(before.at), server: after.server - before.server, load: after.load - before.load,
		busy: after.machine.Since(before.machine), seen: sc.receivers.Seen(), broken: sc.receivers.Broken(),
	}
	w.others = max(0, after.machine.Busy-before.machine.Busy-w.server-w.load)
	counts, err := sc.receivers.Delivered()
	if err != nil {
		return w, err
	}
	for i, stream := range counts {
		var sent uint64
		if sent = after.sent[i]; i < len(before.sent) {
			sent -= before.sent[i]
		}
		w.sent += sent
		for _, n := range stream {
			w.expected += sent
			w.delivered += n
			w.least = min(w.least, int64(n-sent))
			w.most = max(w.most, int64(n-sent))
		}
	}
	slices.Sort(w.seen.Latency)
	return w, nil
}

// saturated is the share of the processors above which a measurement says more of
// waiting than of work.
const saturated = 0.97

// fault says why the window is not to be compared with others, or nothing.
func (w *window) fault() string {
	if harm := w.harm(); harm != "" || w.busy <= saturated {
		return harm
	}
	return fmt.Sprintf("the machine was %.0f%% busy", w.busy*100)
}

// harm says what receivers did not get as it was sent, or nothing.
func (w *window) harm() string {
	switch {
	case w.broken != nil:
		return w.broken.Error()
	case w.delivered == 0:
		return "nothing was delivered"
	case w.least < 0:
		return fmt.Sprintf("lost %d of %d packets, at most %d at one viewer", w.expected-min(w.delivered, w.expected), w.expected, -w.least)
	case w.most > 0:
		return fmt.Sprintf("a viewer got %d packets too many", w.most)
	case w.seen.Gaps > 0 || w.seen.Damaged > 0:
		return fmt.Sprintf("decrypted: %d gaps, %d damaged payloads", w.seen.Gaps, w.seen.Damaged)
	}
	return ""
}

// perPacket is the server's processor time for each packet delivered, in microseconds.
func (w *window) perPacket() float64 {
	if w.delivered == 0 {
		return 0
	}
	return float64(w.server.Nanoseconds()) / 1e3 / float64(w.delivered)
}
