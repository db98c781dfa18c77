//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/report"
)

const (
	joinWatching = 200 // viewers who are to lose nothing
	joinNewcomer = 100 // viewers who join
)

// joinSteps plans the measurements of joining.
func (o options) joinSteps() []step {
	var steps []step
	for round := 1; round <= o.rounds; round++ {
		s := setting{
			server: report.Relay, pace: load.Burst, viewers: joinWatching, streams: 1, size: o.size,
			channels: true, duration: o.window,
		}
		steps = append(steps, step{setting: s, round: round, do: func(ctx context.Context, b *bench, result *report.Result) (string, error) {
			j, err := b.joins(ctx, s)
			j.Round = round
			if err == nil {
				result.Joins = append(result.Joins, j)
			}
			return fmt.Sprintf("%-13s %4d join %d  %.1f joins/s, %.2f ms of the relay's CPU for each, machine %.0f%% busy  %s",
				"relay joins", j.Joined, j.Watching, float64(j.Joined)/j.Seconds, j.CPUMillis, 100*j.Busy, j.Fault), err
		}})
	}
	return steps
}

// joins measures what joining costs the relay, above what sending to the viewers
// there and then costs.
func (b *bench) joins(ctx context.Context, s setting) (report.Joins, error) {
	j := report.Joins{Watching: s.viewers, Joined: joinNewcomer}
	sc, err := b.open(ctx, s)
	if err != nil {
		return j, err
	}
	defer debug.FreeOSMemory()
	defer sc.close()
	if err := sc.fill(ctx); err != nil {
		return j, err
	}
	steady, err := sc.measure(ctx, s.duration/2, nil)
	if err != nil {
		return j, err
	}
	newcomers := load.NewAudience(1, joinNewcomer)
	defer newcomers.Close()
	var joined atomic.Int64
	w, err := sc.measure(ctx, 0, func(ctx context.Context) error {
		begin := time.Now()
		err := newcomers.Join(ctx, joinNewcomer, 0, sc.kind(), sc.url, func() { joined.Add(1) })
		j.Seconds = time.Since(begin).Seconds()
		return err
	})
	if err != nil {
		return j, err
	}
	counts, err := newcomers.Delivered()
	if err != nil {
		return j, err
	}
	packets := float64(w.delivered + total(counts))
	j.CPUMillis = (w.server.Seconds()*1e3 - steady.perPacket()*packets/1e3) / joinNewcomer
	// Who joins as fast as can be leaves no processor idle: that is no fault.
	j.Load, j.Busy, j.Fault = cores(w.load, w.wall), w.busy, w.harm()
	if j.Fault == "" {
		j.Fault = steady.harm()
	}
	return j, nil
}
