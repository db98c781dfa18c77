package marker

import "time"

const (
	// repeatFrames is how many frames after the first that carried an event carry
	// it again.
	repeatFrames = 5
	// heartbeatEvery is the longest time without a heartbeat while frames flow.
	heartbeatEvery = time.Second
	// maxCarried bounds the events that wait for a frame or are being repeated:
	// at 60 frames/s, one on each frame of a 2 s delay line.
	maxCarried = 128
	// giveUpAfter is the age, in units of 1/90000 s, at which an event that no
	// packet had room for is dropped. An event may name a frame 10 s old; that
	// leaves it another 10 s.
	giveUpAfter = 20 * clockRate
)

// Carried is an event as the header extension needs it.
type Carried struct {
	RefTS  uint64 // canonical timestamp of the frame that it refers to
	Seq    uint64
	Epoch  uint32
	Kind   Kind
	Digest [4]byte // first bytes of the event's leaf hash
}

// Carried returns what the header extension says of the event that encodes to b.
func (e Event) Carried(b []byte) Carried {
	leaf := LeafHash(b)
	return Carried{RefTS: e.TS, Seq: e.Seq, Epoch: e.Epoch, Kind: e.Kind, Digest: [4]byte(leaf[:])}
}

// Carrier decides which header extension each packet of one video track carries
// (docs/protocol.md, section 3):
//
//   - the packets of a marked frame carry its events in turn, first each once,
//     then again as repeats;
//   - an event whose frame has left rides, late, on the next packet;
//   - on each of the next 5 frames an event rides once more;
//   - packets that are still free carry a heartbeat, on keyframes and at least
//     once a second.
//
// An event may be added before its frame, as a delay line needs. The zero value
// is ready. It has one owner, who asks once per packet, when it is first
// forwarded, and sends the answer to every viewer and in every retransmission.
type Carrier struct {
	slots   [maxCarried]carriedSlot
	n       int // slots in use, in order of Add
	ts      uint64
	began   bool // a frame has been seen
	turn    int  // packets that carried a repeat of the present frame's events
	dropped uint64

	newestSeq   uint64
	newestEpoch uint32
	heartbeatAt time.Time
	keySeen     bool // the present frame's packets have shown it to be a keyframe
	due         bool // a heartbeat is
}

// carriedSlot is one event on its way.
type carriedSlot struct {
	Carried
	sent      bool // some packet has carried it
	sentFrame bool // a packet of the present frame has
	left      int8 // further frames to repeat it on, once sent
}

// Add hands over a sequenced event. If too many are waiting, the oldest that has
// been carried, or else the oldest, goes no further.
func (c *Carrier) Add(e Carried) {
	c.Newest(e.Seq, e.Epoch)
	if c.n == maxCarried {
		c.evict()
	}
	c.slots[c.n] = carriedSlot{Carried: e}
	c.n++
}

// Newest tells of a seq whose event no packet carries, so that heartbeats count
// it: at the start of a log.
func (c *Carrier) Newest(seq uint64, epoch uint32) {
	if seq >= c.newestSeq {
		c.newestSeq, c.newestEpoch = seq, epoch
	}
}

// Dropped returns how many events were given up before any packet carried them.
// They still reach viewers by the data channel.
func (c *Carrier) Dropped() uint64 { return c.dropped }

// Next returns the extension's value for the next packet: its first n bytes,
// where n is ExtensionSize, HeartbeatSize or, for no extension, 0. ts is the
// canonical timestamp of the packet's frame, start whether it is the frame's
// first packet, key whether it shows the frame to be a keyframe, room how many
// bytes the value may have, now the time at which the packet leaves. Packets of a
// frame older than the newest carry nothing.
func (c *Carrier) Next(ts uint64, start, key bool, room int, now time.Time) (ext [ExtensionSize]byte, n int) {
	switch {
	case !c.began || ts > c.ts:
		c.beginFrame(ts)
	case ts < c.ts:
		return ext, 0
	}
	if start && now.Sub(c.heartbeatAt) >= heartbeatEvery || key && !c.keySeen {
		c.due = true
	}
	c.keySeen = c.keySeen || key
	if c.n > 0 && room >= ExtensionSize {
		if x, ok := c.nextEvent(); ok {
			return ext, x.Put(ext[:])
		}
	}
	if c.due && room >= HeartbeatSize {
		c.due, c.heartbeatAt = false, now
		x := Extension{Kind: Heartbeat, Epoch: uint16(c.newestEpoch), Seq: uint32(c.newestSeq)}
		return ext, x.Put(ext[:])
	}
	return ext, 0
}

// beginFrame takes a step towards the end of every repeat and forgets the events
// that have had all of theirs.
func (c *Carrier) beginFrame(ts uint64) {
	c.ts, c.began, c.keySeen, c.turn = ts, true, false, 0
	kept := 0
	for i := range c.n {
		s := c.slots[i]
		s.sentFrame = false
		if s.sent {
			if s.left == 0 {
				continue
			}
			s.left--
		} else if s.RefTS+giveUpAfter < ts {
			c.dropped++
			continue
		}
		c.slots[kept] = s
		kept++
	}
	c.n = kept
}

// nextEvent picks the event for a packet of the present frame. The first that no
// packet has carried comes first, the frame's own before late ones; then the
// frame's own take turns; then each older one is repeated once.
func (c *Carrier) nextEvent() (Extension, bool) {
	own, fresh, late, older := 0, -1, -1, -1
	for i := range c.n {
		switch s := &c.slots[i]; {
		case s.RefTS > c.ts:
		case s.RefTS == c.ts:
			own++
			if !s.sent && fresh < 0 {
				fresh = i
			}
		case !s.sent:
			if late < 0 {
				late = i
			}
		case !s.sentFrame && older < 0:
			older = i
		}
	}
	switch {
	case fresh >= 0:
		return c.carry(fresh), true
	case late >= 0:
		return c.carry(late), true
	case own > 0:
		x := c.carry(c.nthOwn(c.turn % own))
		c.turn++
		return x, true
	case older >= 0:
		return c.carry(older), true
	}
	return Extension{}, false
}

// nthOwn returns the slot of the present frame's event number k.
func (c *Carrier) nthOwn(k int) int {
	for i := range c.n {
		if c.slots[i].RefTS != c.ts {
			continue
		}
		if k == 0 {
			return i
		}
		k--
	}
	return -1 // k is less than the number of them
}

// carry notes that the packet at hand carries slot i and says how.
func (c *Carrier) carry(i int) Extension {
	s := &c.slots[i]
	x := Extension{
		Kind: s.Kind, Void: s.Kind == Void, Late: s.RefTS < c.ts, Repeat: s.sent, More: c.more(i),
		Epoch: uint16(s.Epoch), Seq: uint32(s.Seq), RefTS: uint32(s.RefTS), Digest: s.Digest,
	}
	if !s.sent {
		s.sent, s.left = true, repeatFrames
	}
	s.sentFrame = true
	return x
}

// more reports whether another event refers to the same frame as slot i.
func (c *Carrier) more(i int) bool {
	for j := range c.n {
		if j != i && c.slots[j].RefTS == c.slots[i].RefTS {
			return true
		}
	}
	return false
}

// evict makes room for one event.
func (c *Carrier) evict() {
	out := 0
	for i := range c.n {
		if c.slots[i].sent {
			out = i
			break
		}
	}
	if !c.slots[out].sent {
		c.dropped++
	}
	copy(c.slots[out:c.n], c.slots[out+1:c.n])
	c.n--
}
