//go:build linux

package main

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/measure"
	"github.com/framelock/relay/bench/report"
)

const (
	idleTime = 500 * time.Millisecond // of input before the first viewer
	warmUp   = 1500 * time.Millisecond
	// decrypting is how many viewers read everything, of all streams together, at
	// least one of each.
	decrypting = 5
	// joinsAtOnce is gentle enough for any server; what joins cost is measured by itself.
	joinsAtOnce = 16
)

// row measures one setting with a server of its own.
func (b *bench) row(ctx context.Context, s setting, round int, d time.Duration) (report.Row, error) {
	row := report.Row{Server: s.server, Input: s.input(), Viewers: s.viewers, Streams: s.streams, Round: round}
	sc, err := b.open(ctx, s)
	if err != nil {
		return row, err
	}
	defer debug.FreeOSMemory() // what this row's viewers leave behind does not weigh on the next
	defer sc.close()
	if err := sc.fill(ctx); err != nil {
		if ctx.Err() != nil {
			return row, err
		}
		row.Fault = err.Error() // a server that cannot take that many is a result
		return row, nil
	}
	w, err := sc.measure(ctx, d, nil)
	if err != nil {
		return row, err
	}
	rss, err := measure.RSS(sc.pid())
	if err != nil {
		return row, err
	}
	row.Seconds = w.wall.Seconds()
	row.Sent, row.Expected, row.Delivered = w.sent, w.expected, w.delivered
	row.CPU, row.Cores = w.perPacket(), cores(w.server, w.wall)
	row.RSS = float64(rss-sc.idle) / 1024 / float64(s.viewers*s.streams)
	row.Load, row.Others = cores(w.load, w.wall), cores(w.others, w.wall)
	row.Latency, row.Fault = latency(w.seen.Latency), w.fault()
	if s.loss > 0 {
		if row.Repaired = sc.receivers.(*load.Audience).Asked(); row.Repaired == 0 && row.Fault == "" {
			row.Fault = "no viewer missed a packet"
		}
	}
	return row, nil
}

func cores(used, wall time.Duration) float64 { return used.Seconds() / wall.Seconds() }

// latency sums up sorted times.
func latency(sorted []time.Duration) *report.Latency {
	if len(sorted) == 0 {
		return nil
	}
	ms := func(p float64) float64 { return measure.Percentile(sorted, p).Seconds() * 1e3 }
	return &report.Latency{P50: ms(50), P99: ms(99), P999: ms(99.9), Samples: len(sorted)}
}

// fill brings the scene to its number of viewers and lets it run in.
func (sc *scene) fill(ctx context.Context) error {
	if err := wait(ctx, idleTime); err != nil {
		return err
	}
	var err error
	if sc.idle, err = measure.RSS(sc.pid()); err != nil {
		return err
	}
	if sc.receivers == nil {
		audience := load.NewAudience(sc.streams, joinsAtOnce)
		sc.receivers = audience
		if err := audience.Join(ctx, sc.viewers, min(sc.viewers, max(1, decrypting/sc.streams)), sc.kind(), sc.url, func() {}); err != nil {
			return err
		}
	}
	return wait(ctx, warmUp)
}

// kind is how the scene's viewers watch.
func (sc *scene) kind() load.Viewing {
	return load.Viewing{Channels: sc.channels, Markers: sc.markers, Dial: sc.dial, Loss: sc.loss}
}
