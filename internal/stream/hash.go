package stream

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/timeline"
)

// hashWanted is a marked frame that is not complete yet.
type hashWanted struct {
	ts    uint64
	ofSeq uint64
}

// maxHashes bounds the marked frames that wait for their last packet.
const maxHashes = 256

// hashFrame publishes the hash of the frame that an event refers to: now, if the
// frame is complete, else with its last packet.
func (c *Core) hashFrame(e *marker.Event, f *timeline.Frame, now time.Time) {
	if f.Last != 0 {
		c.publishHash(e.Seq, f, now)
		return
	}
	if len(c.hashes) < maxHashes {
		c.hashes = append(c.hashes, hashWanted{f.TS, e.Seq})
	}
}

// endFrame notes that the packet in a slot is its frame's last.
func (c *Core) endFrame(t *track, slot uint64, now time.Time) {
	f := c.frames.Lookup(t.frame)
	if f == nil {
		return
	}
	f.First, f.Last = t.first, slot
	waiting := c.hashes[:0]
	for _, w := range c.hashes {
		switch {
		case w.ts == f.TS:
			c.publishHash(w.ofSeq, f, now)
		case w.ts > f.TS:
			waiting = append(waiting, w)
		}
	}
	c.hashes = waiting
}

// publishHash hashes a frame's packets as every viewer gets them. A frame that
// misses one has no hash.
func (c *Core) publishHash(ofSeq uint64, f *timeline.Frame, now time.Time) {
	t := c.tracks[forward.Video]
	if before := t.history.Get(f.First - 1); f.Number > 1 && (before == nil || before.TS == f.TS) {
		return // the frame's beginning may be missing
	}
	var h codec.FrameHash
	h.Reset(t.cfg.Codec)
	for s := f.First; s <= f.Last; s++ {
		p := t.history.Get(s)
		if p == nil || p.TS != f.TS || h.Add(p.Payload()) != nil {
			return
		}
	}
	if !h.Complete() {
		return
	}
	sum := h.Sum()
	data, err := json.Marshal(struct {
		OfSeq uint64 `json:"of_seq"`
		Alg   string `json:"alg"`
		Hash  string `json:"hash"`
	}{ofSeq, "sha-256", hex.EncodeToString(sum[:])})
	if err != nil {
		return
	}
	e := marker.Event{Kind: marker.FrameHash, ID: fmt.Sprintf("hash-%d", ofSeq), By: relayName, Data: data}
	if err := c.publish(&e, f, now); err != nil {
		c.out.Drop(DropNoHash, 1)
	}
}

// relayName is the publisher of the relay's own events.
const relayName = "relay"

// DropNoHash counts frame hashes that could not be published.
const DropNoHash = "frame_hash_unpublished"

// recovered says on the first frame after a restart that what was not durable is
// lost.
func (c *Core) recovered(f *timeline.Frame, now time.Time) {
	e := marker.Event{
		Kind: marker.Recovered, ID: fmt.Sprintf("recovered-%d", c.seq+1), By: relayName,
		Data: json.RawMessage(fmt.Sprintf(`{"last_durable":%d}`, c.lastSeq)),
	}
	if err := c.publish(&e, f, now); err != nil {
		c.out.Drop(DropNoRecovered, 1)
	}
}

// announceKey publishes the notice of a key that is to take over, as soon as there is a
// frame for it.
func (c *Core) announceKey(f *timeline.Frame, now time.Time) {
	e := marker.Event{Kind: marker.Notice, ID: fmt.Sprintf("key-%d", c.seq+1), By: relayName, Data: c.keyNotice}
	if c.publish(&e, f, now) == nil {
		c.keyNotice = nil
	}
}

// DropNoRecovered counts recovered events that could not be published.
const DropNoRecovered = "recovered_unpublished"
