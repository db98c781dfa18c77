//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/report"
)

// The rates of events that are measured, per second.
var eventRates = []float64{0, 1, 10, 30}

const (
	// eventViewers is few enough for the viewers' own work with each event not to
	// saturate the machine.
	eventViewers = 50
	// eventSize leaves room for the marker on every packet.
	eventSize = 1100
)

// eventSteps plans the measurements of events: with data channels, and with the
// markers on media packets alone.
func (o options) eventSteps() []step {
	var steps []step
	for round := 1; round <= o.rounds; round++ {
		for _, channels := range []bool{true, false} {
			for _, rate := range eventRates {
				if !channels && rate != 0 && rate != 30 {
					continue
				}
				s := setting{
					server: report.Relay, pace: load.Burst, viewers: eventViewers, streams: 1, size: eventSize,
					channels: channels, markers: true, duration: o.window,
				}
				steps = append(steps, step{setting: s, round: round, do: func(ctx context.Context, b *bench, result *report.Result) (string, error) {
					e, err := b.events(ctx, s, rate)
					e.Round = round
					if err == nil {
						result.Events = append(result.Events, e)
					}
					return fmt.Sprintf("%-13s %4d viewers, channels %-5v %4g events/s  %6.2f us/packet, server %.3f cores, %d event messages  %s",
						"relay events", e.Viewers, e.Channels, e.Rate, e.CPU, e.Cores, e.Received, e.Fault), err
				}})
			}
		}
	}
	return steps
}

// events measures the relay while events are published at a rate.
func (b *bench) events(ctx context.Context, s setting, rate float64) (report.Events, error) {
	e := report.Events{Rate: rate, Viewers: s.viewers, Channels: s.channels}
	sc, err := b.open(ctx, s)
	if err != nil {
		return e, err
	}
	defer debug.FreeOSMemory()
	defer sc.close()
	if err := sc.fill(ctx); err != nil {
		return e, err
	}
	audience := sc.receivers.(*load.Audience)
	before := audience.Events()
	w, err := sc.measure(ctx, 0, func(ctx context.Context) error {
		var err error
		e.Events, err = publish(ctx, "http://"+sc.addresses.HTTP+"/v1/streams/s0/markers", rate, s.duration)
		return err
	})
	if err != nil {
		return e, err
	}
	e.Received = audience.Events() - before
	e.CPU, e.Cores, e.Fault = w.perPacket(), cores(w.server, w.wall), w.fault()
	if want := e.Events * uint64(s.viewers); e.Fault == "" && s.channels && e.Received < want {
		e.Fault = fmt.Sprintf("%d event messages at the viewers, want at least %d", e.Received, want)
	}
	return e, nil
}

// publish names the next frame rate times a second for d, and returns how many
// events the relay accepted.
func publish(ctx context.Context, url string, rate float64, d time.Duration) (uint64, error) {
	if rate == 0 {
		return 0, wait(ctx, d)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var group errgroup.Group
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-end.C:
			return n, group.Wait()
		case <-tick.C:
			group.Go(func() error { return mark(ctx, client, url, n) })
		}
	}
}

// mark publishes one event.
func mark(ctx context.Context, client *http.Client, url string, n uint64) error {
	body := fmt.Appendf(nil, `{"id":"bench-%d","kind":"outcome","at":{"next":true},"data":{"pocket":%d}}`, n, n%37)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err == nil && res.StatusCode != http.StatusCreated {
		err = fmt.Errorf("POST %s: %s: %s", url, res.Status, answer)
	}
	return err
}
