//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/report"
)

// step is one measurement of the plan.
type step struct {
	setting
	round int
	row   bool // it adds a row
	do    func(ctx context.Context, b *bench, result *report.Result) (string, error)
}

func (s step) name() string {
	return fmt.Sprintf("%s, %s, %d streams of %d viewers", s.server, s.input(), s.streams, s.viewers)
}

// limit names the steps that fail together once one of them is too much.
func (s step) limit() string { return fmt.Sprint(s.server, " ", s.input(), " ", s.streams) }

func (s step) run(ctx context.Context, b *bench, result *report.Result) (string, error) {
	if s.do != nil {
		return s.do(ctx, b, result)
	}
	row, err := b.row(ctx, s.setting, s.round, s.duration)
	if err != nil {
		return "", err
	}
	result.Rows = append(result.Rows, row)
	return report.Line(row), nil
}

// part is measurements that belong together.
type part struct {
	pace    load.Pace
	viewers []int // of each stream
	streams int
	servers []string
	loss    float64
}

// whole is what a whole run measures: every number of viewers as encoders on the
// same network send, and what can be gained when there is nothing to join.
func (o options) whole() []part {
	few := []string{report.FloorSingle, report.Relay, report.Pion}
	return []part{
		{load.Burst, o.viewers, 1, o.servers, 0},
		{load.Spread, []int{100}, 1, few, 0},
		{load.Spread, []int{20}, 20, few, 0},
		{load.Burst, []int{100}, 1, []string{report.Relay, report.PionDefault}, 0.01},
	}
}

// chosen is what the flags ask for.
func (o options) chosen() []part {
	var parts []part
	for _, pace := range o.paces {
		parts = append(parts, part{pace, o.viewers, o.streams, o.servers, o.loss})
	}
	return parts
}

// plan lists the measurements: in each round every number of viewers, and for each
// of them the servers in turn, so that what they are compared with ran beside them.
func (o options) plan() []step {
	parts := o.chosen()
	if o.all {
		parts = o.whole()
	}
	var steps []step
	for round := 1; round <= o.rounds; round++ {
		for _, p := range parts {
			for _, n := range p.viewers {
				for _, server := range p.servers {
					steps = append(steps, step{
						setting: setting{
							server: server, pace: p.pace, viewers: n, streams: p.streams, size: o.size,
							channels: server == report.Relay, duration: o.window, loss: p.loss,
						},
						round: round, row: true,
					})
				}
			}
		}
	}
	return steps
}
