package egress

import "time"

// When an event's further copies leave on the fast channel: SCTP would notice a
// lost sparse message only after a time-out longer than any jitter buffer.
var copyDelays = [...]time.Duration{10 * time.Millisecond, 25 * time.Millisecond}

// scheduled is an event whose further copies are due.
type scheduled struct {
	bytes []byte
	sent  time.Time
	done  int // of copyDelays
}

// tellAll queues a message for every viewer of the audience that may have it. A
// viewer whose snapshot is not queued yet will find events in the snapshot.
func (a *audience) tellAll(s *Shard, m Message) {
	for i := len(a.viewers) - 1; i >= 0; i-- { // a slow viewer leaves the list
		if v := a.viewers[i]; v.told {
			s.tell(v, m.Channel, m.Bytes)
			if m.Repeat {
				s.tell(v, Fast, m.Bytes)
			}
		}
	}
	if m.Repeat {
		a.copies = append(a.copies, scheduled{bytes: m.Bytes, sent: s.set.Now()})
	}
}

func (s *Shard) tell(v *Viewer, c Channel, b []byte) {
	if !v.formats.Channels || v.closed {
		return
	}
	queued := v.session.Queued(c)
	switch {
	case c == Fast && queued > fastLimit:
		s.set.Drops.Dropped(DropFast, 1)
		return
	case c != Fast && queued > channelLimit:
		s.end(v, "slow_channel")
		return
	}
	if err := v.session.SendText(c, b); err != nil && c != Fast {
		s.end(v, "channel_closed")
	}
}

// queueParts queues what the events channel takes of a snapshot; the rest follows
// when the channel has sent most of it. Events may come between the parts: they
// are newer than the snapshot.
func (s *Shard) queueParts(v *Viewer) {
	for len(v.parts) > 0 {
		if v.session.Queued(Events) > channelLow {
			return
		}
		s.tell(v, Events, v.parts[0])
		if v.closed {
			return
		}
		v.parts = v.parts[1:]
		v.told = true
	}
	if v.blank {
		v.blank = false
		if !v.Source.StartVideo(v) {
			s.end(v, "stream_behind")
		}
	}
}

// tick does what is due and returns how long until the next thing is.
func (s *Shard) tick(now time.Time) time.Duration {
	wait := reportSpacing
	if due := s.reported.Add(reportSpacing).Sub(now); due <= 0 {
		s.reported = now
		for _, a := range s.audience {
			for _, v := range a.viewers {
				s.senderReports(v, a, now)
			}
		}
	} else {
		wait = due
	}
	for _, a := range s.audience {
		wait = min(wait, s.repeat(a, now))
	}
	return min(wait, s.takeTurns(now))
}

// repeat sends the copies that are due to the viewers that may need them.
func (s *Shard) repeat(a *audience, now time.Time) time.Duration {
	wait := reportSpacing
	rest := a.copies[:0]
	for _, c := range a.copies {
		for c.done < len(copyDelays) && now.Sub(c.sent) >= copyDelays[c.done] {
			c.done++
			for _, v := range a.viewers {
				if v.told && v.lossy(now) {
					s.tell(v, Fast, c.bytes)
				}
			}
		}
		if c.done < len(copyDelays) {
			wait = min(wait, c.sent.Add(copyDelays[c.done]).Sub(now))
			rest = append(rest, c)
		}
	}
	clear(a.copies[len(rest):])
	a.copies = rest
	return wait
}
