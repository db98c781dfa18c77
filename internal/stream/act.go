package stream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// act is an action that is to be judged: what somebody sent, and what the relay
// knows of them.
type act struct {
	window.Action
	salt  [window.SaltSize]byte
	data  json.RawMessage
	reply func(receipt []byte) // called once, from any goroutine; does not wait
}

// settle lets go of what nobody needs once the action is on the disk: the book keeps its
// facts, and with them all of it.
func (a *act) settle() {
	a.salt, a.data, a.reply = [window.SaltSize]byte{}, nil, nil
}

// Sizes of what waits for a verdict, and for the disk.
const (
	actsQueue   = 1 << 15 // actions that have no verdict yet
	actsAtOnce  = 16      // that are judged before the loop looks at media again
	backlogFull = 1 << 16 // lines that are not durable, above which nothing new is taken
)

// Act judges an action. What it needs of the frame is looked up here; the verdict
// is the book's.
func (c *Core) Act(a *act) {
	if a.Seen != 0 {
		f, before, after := c.frames.Lookup(a.Seen), c.frames.Before(a.Seen), c.frames.After(a.Seen)
		switch {
		case f == nil && before != nil && after != nil:
			a.Sent = without(a.Sent, before.TS, after.TS)
		case f != nil && after != nil:
			a.Superseded = after.Sent.UTC()
		}
	}
	switch earlier := c.book.Judge(&a.Action); {
	case earlier != nil:
		c.out.Repeat(earlier, a.reply)
	case a.Order == 0:
		a.reply(refusal(a.ID, a.Window, a.Reason))
	default:
		c.out.Judged(a)
	}
}

// without leaves out of spans what is between two frames that follow one another: a
// timestamp that no frame has was sent to nobody.
func without(spans []window.Span, before, after uint64) []window.Span {
	for i, s := range spans {
		if s.From <= before && after <= s.To {
			spans = slices.Insert(slices.Clone(spans), i+1, window.Span{From: after, To: s.To})
			spans[i].To = before
			return spans
		}
	}
	return spans
}

// receive queues an action, in the order in which times of receipt are given. It
// never waits.
func (l *Loop) receive(a *act) {
	reason := ""
	if err := l.refusing(); err != nil {
		reason = refusalReason(err)
	} else {
		l.intake.Lock()
		a.ReceivedAt = l.sh.Now().UTC()
		if l.ended() || !l.queue(a) {
			reason = window.ReasonOverloaded
		}
		l.intake.Unlock()
	}
	if reason != "" {
		l.sh.Metrics.Acted(window.Rejected, reason)
		a.reply(refusal(a.ID, a.Window, reason))
	}
}

// ended reports whether the loop takes nothing any more. While l.intake is held that
// does not change.
func (l *Loop) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *Loop) queue(a *act) bool {
	select {
	case l.acts <- a:
		return true
	default:
		return false
	}
}

// drained returns the time up to which every action that was received has been
// judged; none if one is just coming in, which media does not wait for.
func (l *Loop) drained() (upTo time.Time) {
	if !l.intake.TryLock() {
		return time.Time{}
	}
	defer l.intake.Unlock()
	if len(l.acts) > 0 {
		return time.Time{}
	}
	return l.sh.Now()
}

// judge gives the verdict on an action and on some that wait behind it.
func (l *Loop) judge(a *act) {
	for n := 0; ; n++ {
		l.core.Act(a)
		if n == actsAtOnce {
			return
		}
		select {
		case a = <-l.acts:
		default:
			return
		}
	}
}

// Catch implements Output.
func (l *Loop) Catch() {
	for range len(l.acts) {
		l.core.Act(<-l.acts)
	}
}

// actOf returns an action of a viewer, with what the relay sent them.
func (l *Loop) actOf(v *egress.Viewer, r marker.ActRequest, reply func([]byte)) *act {
	a := newAct(r, v.Subject, v.Session, reply)
	spans, rtt := v.Sent(make([]egress.Span, 0, window.MaxSpans))
	a.Sent = make([]window.Span, len(spans))
	for i, s := range spans {
		a.Sent[i] = window.Span(s)
	}
	a.RTTMS = milliseconds(rtt)
	return a
}

func newAct(r marker.ActRequest, subject, session string, reply func([]byte)) *act {
	if r.Data == nil {
		r.Data = json.RawMessage("null")
	}
	a := &act{data: r.Data, reply: reply}
	_, _ = rand.Read(a.salt[:]) // never fails
	a.Action = window.Action{
		Window: r.Window, ID: r.ID, Subject: subject, Session: session,
		Seen: r.Seen, Size: len(r.Data), Digest: sha256.Sum256(r.Data), Commitment: window.Commitment(a.salt, r.Data),
	}
	return a
}

// acted takes an action that a viewer sent on the actions channel.
func (l *Loop) acted(v *egress.Viewer, b []byte) {
	reply := func(receipt []byte) { v.Shard().Receipt(v, receipt) }
	r, err := marker.DecodeAct(b)
	if err == nil {
		r.Session, r.Subject = "", "" // who acts is whose session it is
		err = r.Validate()
	}
	switch {
	case err != nil:
		reply(refusal(r.ID, r.Window, window.ReasonMalformed))
	case v.Subject == "":
		reply(refusal(r.ID, r.Window, window.ReasonNotAllowed))
	default:
		l.receive(l.actOf(v, r, reply))
	}
}

// Act takes an action of the viewer of a session, or of a server if v is nil, and
// waits for its receipt. The request is valid.
func (l *Loop) Act(ctx context.Context, r marker.ActRequest, subject string, v *egress.Viewer) ([]byte, error) {
	receipts := make(chan []byte, 1)
	reply := func(receipt []byte) { receipts <- receipt }
	if v != nil {
		l.receive(l.actOf(v, r, reply))
	} else {
		l.Submit(r, subject, reply)
	}
	select {
	case receipt := <-receipts:
		return receipt, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, marker.ErrClosed
	}
}

// Submit takes an action of a server. reply gets the receipt, once, on a goroutine that
// it must not hold up. The request is valid.
func (l *Loop) Submit(r marker.ActRequest, subject string, reply func(receipt []byte)) {
	r.Seen = 0
	l.receive(newAct(r, subject, "", reply))
}
