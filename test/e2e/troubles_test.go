package e2e

import (
	"fmt"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/impair"
)

// trouble is one row of the matrix: what goes wrong while events are asked for.
type trouble struct {
	name     string
	path     impair.Path           // of the media, both ways
	happens  func(m *matrix) error // in the middle of it
	stallMS  int                   // of the page's main thread, in every paint
	throttle int                   // how much slower the page's scripts run; Chromium alone can
	// refuses says that some of the frames that are named never come: the relay
	// refuses these events.
	refuses bool
	// loaded says that the browser may leave frames out, because it lacks the time.
	loaded bool
	short  bool // in `make test` too
}

// halfRTT is the way between relay and viewer where packets are lost.
const halfRTT = 40 * time.Millisecond

// troubles are the rows of the matrix. All are met in one session, in this order; the
// encoder's timestamps wrap in the first.
var troubles = []trouble{
	{name: "timestamps wrap"},
	{name: "1% reordered", path: impair.Path{Delay: 10 * time.Millisecond, Reorder: 0.01}},
	{name: "1% twice", path: impair.Path{Duplicate: 0.01}},
	{name: "5% lost", path: impair.Path{Delay: halfRTT, Loss: 0.05}, short: true},
	{name: "10% lost", path: impair.Path{Delay: halfRTT, Loss: 0.10}},
	// 3% in runs of 5 packets, within which three of four are lost.
	{name: "bursts of loss", path: impair.Path{Delay: halfRTT, Bursts: impair.Bursts{Enter: 0.008, Leave: 0.2, Loss: 0.75}}},
	{name: "20 ms of jitter", path: impair.Path{Jitter: 20 * time.Millisecond}},
	{name: "10 s ahead", refuses: true, happens: func(m *matrix) error { m.on.Jump(10 * time.Second); return nil }},
	{name: "10 s back", refuses: true, short: true, happens: func(m *matrix) error { m.on.Jump(-10 * time.Second); return nil }},
	{name: "a pause", refuses: true, happens: (*matrix).pause},
	{name: "another SSRC", refuses: true, short: true, happens: (*matrix).replaceEncoder},
	{name: "the backup takes over", refuses: true, happens: (*matrix).switchInput},
	{name: "stalls of 20 ms", stallMS: 20, loaded: true},
	{name: "a processor of a quarter", throttle: 4, loaded: true},
}

// pause has the encoder send nothing for a second.
func (m *matrix) pause() error {
	m.on.SetPaused(true)
	defer m.on.SetPaused(false)
	return m.during(time.Second)
}

// replaceEncoder ends the encoder and starts another one: a new SSRC, new timestamps.
func (m *matrix) replaceEncoder() error {
	if err := m.on.Stop(); err != nil {
		return err
	}
	next, err := m.encoder(m.world.primary)
	if err != nil {
		return err
	}
	m.follow(next)
	return nil
}

// switchInput has a second encoder take over from the one that is on, which ends.
func (m *matrix) switchInput() error {
	backup, err := m.encoder(m.world.backup)
	if err != nil {
		return err
	}
	if err := m.until(func(i *inputs) bool { return len(i.Inputs) == 2 && i.Inputs[1].State == "standby" }); err != nil {
		return fmt.Errorf("the backup does not stand by: %w", err)
	}
	operator := croupier.Client{URL: "http://" + m.world.admin}
	if err := operator.Post(m.ctx, m.inputsPath()+"/switch", map[string]string{"input": "backup"}, nil); err != nil {
		return err
	}
	if err := m.until(func(i *inputs) bool { return i.Active == "backup" }); err != nil {
		return fmt.Errorf("the backup does not take over: %w", err)
	}
	before := m.on
	m.follow(backup)
	return before.Stop()
}

// inputs is what the relay says of a stream's encoders.
type inputs struct {
	Active string
	Inputs []struct{ State string }
}

func (m *matrix) inputsPath() string { return "/v1/streams/" + m.world.Stream + "/inputs" }

// until waits until the relay says something of the encoders.
func (m *matrix) until(good func(*inputs) bool) error {
	for {
		var now inputs
		if err := m.world.Get(m.ctx, m.inputsPath(), &now); err != nil {
			return err
		}
		if good(&now) {
			return nil
		}
		if err := m.during(50 * time.Millisecond); err != nil {
			return fmt.Errorf("%w: %+v", err, now)
		}
	}
}
