//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/measure"
	"github.com/framelock/relay/bench/report"
)

const (
	soakStep      = 50   // viewers who come together, at most four times as many
	mostSoak      = 2000 // viewers
	soakLook      = 3 * time.Second
	soakDecrypt   = 2               // of the first viewers
	soakEvents    = 1.0             // a second; the relay keeps the newest ones, about 1 kB each
	soakComing    = 2 * time.Second // between a viewer who comes, and leaves, and the next
	soakSampling  = time.Second
	soakReporting = 30 * time.Second
)

// soak brings the relay to a load and keeps it there: viewers who are to miss
// nothing, events, and one viewer after the other who comes and goes. Every second
// it looks at the relay's memory, goroutines and counters of drops.
func (b *bench) soak(ctx context.Context, o options) error {
	sc, err := b.open(ctx, setting{server: report.Relay, pace: load.Burst, streams: 1, size: eventSize, channels: true, markers: true})
	if err != nil {
		return err
	}
	defer sc.close()
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var soak report.Soak
	group.Go(func() error {
		_, err := publish(ctx, "http://"+sc.addresses.HTTP+"/v1/streams/s0/markers", soakEvents, 24*time.Hour)
		return unlessOver(ctx, err)
	})
	group.Go(func() error { return unlessOver(ctx, sc.comeAndGo(ctx)) })
	group.Go(func() error {
		defer stop()
		if err := sc.crowd(ctx, o.load); err != nil {
			return err
		}
		var samples []report.SoakSample
		w, err := sc.measure(ctx, 0, func(ctx context.Context) error {
			var err error
			samples, err = sc.watch(ctx, o.soak)
			return err
		})
		if err != nil {
			return err
		}
		if soak, err = report.JudgeSoak(samples); err != nil {
			return err
		}
		fmt.Printf("\n%d viewers for %v, %d packets each: the relay took %.2f cores, the load %.2f\n%s",
			sc.viewers, o.soak, w.sent, cores(w.server, w.wall), cores(w.load, w.wall), &soak)
		if fault := w.fault(); fault != "" {
			soak.Faults = append(soak.Faults, fault)
		}
		return soak.Err()
	})
	return group.Wait()
}

// unlessOver returns nil for what only ended because the soak did.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return nil
	}
	return err
}

// crowd adds viewers until a share of the machine's processors is busy.
func (sc *scene) crowd(ctx context.Context, share float64) error {
	audience := load.NewAudience(1, joinsAtOnce)
	defer audience.Joined()
	sc.receivers = audience
	step, before, decrypt := soakStep, 0.0, soakDecrypt
	for sc.viewers < mostSoak {
		if err := audience.Join(ctx, step, decrypt, sc.kind(), sc.url, func() {}); err != nil {
			return err
		}
		sc.viewers, decrypt = sc.viewers+step, 0
		if err := wait(ctx, warmUp); err != nil {
			return err
		}
		from, err := measure.ReadMachine()
		if err != nil {
			return err
		}
		if err := wait(ctx, soakLook); err != nil {
			return err
		}
		to, err := measure.ReadMachine()
		if err != nil {
			return err
		}
		busy := to.Since(from)
		fmt.Printf("%d viewers: the processors are %.0f%% busy\n", sc.viewers, 100*busy)
		if busy >= share {
			return nil
		}
		// As much more as the last step suggests, less a part: costs are not even.
		if each := (busy - before) / float64(step); each > 0 {
			step = int(0.7 * (share - busy) / each)
		}
		step, before = min(max(step, soakStep/5), 4*soakStep), busy
	}
	fmt.Printf("no more than %d viewers join: the load stays below the %.0f%% that were asked for\n", mostSoak, 100*share)
	return nil
}

// comeAndGo has one viewer after the other join and leave.
func (sc *scene) comeAndGo(ctx context.Context) error {
	kind := sc.kind()
	kind.URL, kind.HTTP = sc.url(0), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer kind.HTTP.CloseIdleConnections()
	for {
		v, err := load.Join(ctx, kind)
		if err != nil {
			return err
		}
		waitErr := wait(ctx, soakComing)
		if err := errors.Join(waitErr, v.Close()); err != nil {
			return err
		}
	}
}

// watch samples the relay for a while.
func (sc *scene) watch(ctx context.Context, d time.Duration) ([]report.SoakSample, error) {
	// Compression would cost the relay memory that nobody else asks it for.
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}}
	defer client.CloseIdleConnections()
	machine, err := measure.ReadMachine()
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(soakSampling)
	defer tick.Stop()
	began, told := time.Now(), time.Now()
	var samples []report.SoakSample
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		s := report.SoakSample{At: time.Since(began)}
		if err := sc.sample(ctx, client, &s); err != nil {
			return nil, err
		}
		now, err := measure.ReadMachine()
		if err != nil {
			return nil, err
		}
		s.Busy, machine = now.Since(machine), now
		samples = append(samples, s)
		if time.Since(told) >= soakReporting {
			told = time.Now()
			fmt.Printf("%5.0f s: %.1f MiB, %d goroutines, processors %.0f%% busy\n", s.At.Seconds(), float64(s.RSS)/(1<<20), s.Goroutines, 100*s.Busy)
		}
		if s.At >= d {
			return samples, nil
		}
	}
}

// sample reads the relay's metrics.
func (sc *scene) sample(ctx context.Context, client *http.Client, s *report.SoakSample) error {
	var err error
	if s.RSS, err = measure.RSS(sc.pid()); err != nil {
		return fmt.Errorf("%w\n%s", err, sc.complaints())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sc.addresses.Admin+"/metrics", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", req.URL, res.Status)
	}
	return readMetrics(string(text), s)
}

// readMetrics takes goroutines and drops from the text of the relay's metrics.
func readMetrics(text string, s *report.SoakSample) error {
	s.Drops = map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			name += "}"
		} else {
			name, value, _ = strings.Cut(name, " ")
		}
		metric, _, _ := strings.Cut(name, "{")
		dropped := strings.HasSuffix(metric, "_drops_total") || metric == "relay_input_lost_total" || metric == "relay_input_malformed_total"
		if name != "go_goroutines" && !dropped {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("the relay's metrics have a line %q", line)
		}
		if dropped {
			s.Drops[name] = n
		} else {
			s.Goroutines = int(n)
		}
	}
	if s.Goroutines == 0 {
		return errors.New("the relay's metrics have no go_goroutines")
	}
	return nil
}
