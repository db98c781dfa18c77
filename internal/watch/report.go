package watch

import (
	"fmt"
	"time"
)

// Report is what a watch saw. All times are in milliseconds.
type Report struct {
	URL     string  `json:"url"`
	Seconds float64 `json:"seconds"` // from the join to the end

	// SnapshotFirst: the snapshot came before every event of its channel.
	SnapshotFirst bool `json:"snapshot_first"`
	// SnapshotBeforeMedia: it was whole before the first video packet.
	SnapshotBeforeMedia bool    `json:"snapshot_before_media"`
	SnapshotMS          float64 `json:"snapshot_ms"`     // after the join began
	FirstPacketMS       float64 `json:"first_packet_ms"` // likewise
	FirstFrameMS        float64 `json:"first_frame_ms"`  // likewise, the first complete frame

	Video      Video      `json:"video"`
	Audio      Audio      `json:"audio"`
	Events     Events     `json:"events"`
	FrameHash  FrameHash  `json:"frame_hash"`
	Extensions Extensions `json:"extensions"`
	Clock      Clock      `json:"clock"`
	// Latency is arrival - capture of every complete live frame, by the clock
	// message: it is worth what the relay's and this machine's clocks agree to
	// (Clock.OffsetMS), and the frames of the join burst are not in it.
	Latency Percentiles `json:"latency_ms"`

	Malformed []string `json:"malformed,omitempty"` // the first few messages or packets that break the protocol
}

// Video counts packets and frames of the video track.
type Video struct {
	Codec          string `json:"codec"`
	Packets        uint64 `json:"packets"`
	Lost           uint64 `json:"lost"` // never arrived
	Repaired       uint64 `json:"repaired"`
	Reordered      uint64 `json:"reordered"`
	Duplicates     uint64 `json:"duplicates"`
	OtherSSRC      uint64 `json:"other_ssrc"`
	Complete       int    `json:"frames_complete"`
	Incomplete     int    `json:"frames_incomplete"`
	TimestampsBack int    `json:"timestamps_back"` // frames whose timestamp was not after the one before
}

// Audio counts packets of the audio track.
type Audio struct {
	Codec   string `json:"codec"`
	Packets uint64 `json:"packets"`
	Lost    uint64 `json:"lost"`
}

// Events compares the paths by which events came.
type Events struct {
	Reliable  int `json:"by_events_channel"`
	Silent    int `json:"silent"`          // of those: frame hashes and the like, which never fire
	Fast      int `json:"by_fast_channel"` // copies
	Snapshots int `json:"snapshots"`
	Notices   int `json:"notices"`
	Clocks    int `json:"clocks"`

	ByExtension      int `json:"by_extension"`        // events, not packets
	BothPaths        int `json:"both_paths"`          // ordered channel and extension agree in everything
	NotCarried       int `json:"not_carried"`         // their frames came whole, yet without them
	CarrierLost      int `json:"carrier_lost"`        // the packets that carried them did not all arrive
	OnlyByExtension  int `json:"only_by_extension"`   // no channel brought them
	OnlyByFast       int `json:"only_by_fast"`        // the ordered channel did not bring them
	InFlight         int `json:"in_flight"`           // their frames had not come when the watch ended
	DigestMismatches int `json:"digest_mismatches"`   // packets whose digest is not the event's
	FieldMismatches  int `json:"field_mismatches"`    // packets whose timestamp, kind or epoch is not the event's
	Gaps             int `json:"gaps"`                // holes in the ordered channel's sequence
	Doubles          int `json:"doubles"`             // repetitions on it
	Equivocations    int `json:"equivocations"`       // two events with one sequence number
	ForeignLog       int `json:"foreign_log"`         // events of another log than the snapshot's
	LateOnly         int `json:"late_only"`           // marked late, hence on later frames by design
	RepeatOnly       int `json:"repeat_only"`         // rode only as repeats
	FrameUnknown     int `json:"frame_error_unknown"` // the event's own frame never came

	// FrameError counts events by frames between the event's own frame and the
	// one that carried it.
	FrameError map[int]int `json:"frame_error"`
}

// FrameHash counts frame_hash events against the frames as they arrived.
type FrameHash struct {
	Checked    int `json:"checked"`
	Mismatched int `json:"mismatched"`
	Incomplete int `json:"incomplete"` // the frame did not arrive whole
	Unknown    int `json:"unknown"`    // the event that it belongs to was before the join
}

// Extensions counts video packets by header extension.
type Extensions struct {
	Markers           int     `json:"marker_packets"`
	Heartbeats        int     `json:"heartbeat_packets"`
	Malformed         int     `json:"malformed"`
	PlayoutDelay      int     `json:"playout_delay_packets"`
	PlayoutMinMS      int     `json:"playout_min_ms"`
	PlayoutMaxMS      int     `json:"playout_max_ms"`
	AbsCaptureTime    int     `json:"abs_capture_time_packets"`
	AbsCaptureErrorMS float64 `json:"abs_capture_error_ms"` // largest distance from the clock message's map
}

// Clock is the relay's last word on time, and how far its clock is from ours.
type Clock struct {
	Source   string  `json:"source"`
	ErrorMS  float64 `json:"error_ms"`
	HoldMS   float64 `json:"hold_ms"`
	RTTMS    float64 `json:"rtt_ms"`    // fastest round trip on the actions channel
	OffsetMS float64 `json:"offset_ms"` // relay's clock minus ours, good to half of it
}

// report finishes the analysis.
func (o *observer) report(ended time.Time) Report {
	o.tick(ended)
	o.settle(true)
	r, l := &o.out, o.ledger
	r.Seconds = ended.Sub(o.started).Seconds()
	r.SnapshotFirst = l.complete && l.first
	v := o.video
	r.Video.Packets, r.Video.Lost, r.Video.Repaired = v.packets, v.lost, v.repaired
	r.Video.Reordered, r.Video.Duplicates = v.reordered, v.duplicates
	r.Audio.Packets, r.Audio.Lost = o.audio.packets, o.audio.lost
	e := &r.Events
	e.Reliable, e.Silent, e.Fast, e.Snapshots, e.Notices, e.Clocks = l.reliable, l.silent, l.fast, l.snapshots, l.notices, l.clocks
	e.Gaps, e.Doubles, e.Equivocations, e.ForeignLog = l.gaps, l.doubles, l.equivocations, l.foreign
	r.Latency = o.latency.percentiles()
	r.Malformed = l.malformed
	return *r
}

// Problems lists what breaks a promise of the protocol, in words; nil if nothing
// does. Loss on the way is not among them.
func (r *Report) Problems() []string {
	var out []string
	bad := func(n int, what string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	e := &r.Events
	if e.Snapshots > 0 && !r.SnapshotFirst {
		out = append(out, "an event came before the snapshot")
	}
	bad(r.Video.TimestampsBack, "frames with a timestamp that does not go forward")
	bad(e.offFrame(), "events carried by another frame than their own")
	bad(e.DigestMismatches, "packets with another digest than the event's")
	bad(e.FieldMismatches, "packets with another timestamp, kind or epoch than the event's")
	bad(e.NotCarried, "events that no packet carried")
	bad(e.OnlyByExtension, "events that no channel brought")
	bad(e.OnlyByFast, "events that the ordered channel did not bring")
	bad(e.Gaps, "gaps in the event sequence")
	bad(e.Doubles, "doubled events")
	bad(e.Equivocations, "sequence numbers with two different events")
	bad(e.ForeignLog, "events of another log")
	bad(r.FrameHash.Mismatched, "frames with another hash than announced")
	bad(r.Extensions.Malformed, "malformed marker extensions")
	if len(r.Malformed) > 0 && r.Extensions.Malformed == 0 && e.Equivocations == 0 {
		out = append(out, "malformed: "+r.Malformed[0])
	}
	return out
}

func (e *Events) offFrame() int {
	n := 0
	for frames, count := range e.FrameError {
		if frames != 0 {
			n += count
		}
	}
	return n
}
