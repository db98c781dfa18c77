//go:build linux

package main

import (
	"context"
	"fmt"

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
	return fmt.Sprintf("%s, %s, %d viewers", s.server, s.pace, s.viewers)
}

// limit names the steps that fail together once one of them is too much.
func (s step) limit() string { return s.server + " " + string(s.pace) }

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

// plan lists the measurements: in each round every number of viewers, and for each
// of them the servers in turn, so that what they are compared with ran beside them.
func (o options) plan() []step {
	var steps []step
	for round := 1; round <= o.rounds; round++ {
		for _, pace := range o.paces {
			for _, n := range o.viewers {
				for _, server := range o.servers {
					steps = append(steps, step{
						setting: setting{
							server: server, pace: pace, viewers: n, streams: o.streams, size: o.size,
							channels: server == report.Relay, duration: o.window,
						},
						round: round, row: true,
					})
				}
			}
		}
	}
	return steps
}
