package watch

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range r.rows() {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("watch: table: %w", err)
	}
	return nil
}

func (r *Report) rows() [][2]string {
	v, e, x, l, c := &r.Video, &r.Events, &r.Extensions, &r.Latency, &r.Clock
	rows := [][2]string{
		{"stream", fmt.Sprintf("%s for %.1f s", r.URL, r.Seconds)},
		{"join", fmt.Sprintf("snapshot %.0f ms, first packet %.0f ms, first frame %.0f ms", r.SnapshotMS, r.FirstPacketMS, r.FirstFrameMS)},
		{"video", fmt.Sprintf("%s: %d frames complete, %d incomplete; %d packets, %d lost, %d repaired, %d reordered, %d doubled",
			v.Codec, v.Complete, v.Incomplete, v.Packets, v.Lost, v.Repaired, v.Reordered, v.Duplicates)},
		{"audio", fmt.Sprintf("%s: %d packets, %d lost", r.Audio.Codec, r.Audio.Packets, r.Audio.Lost)},
		{"latency", fmt.Sprintf("p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, max %.1f ms (capture to arrival, %d frames)", l.P50, l.P95, l.P99, l.Max, l.N)},
		{"clock", fmt.Sprintf("by %s, error %.2f ms, hold %.0f ms; relay's clock %+.1f ms from ours, round trip %.1f ms",
			orNone(c.Source), c.ErrorMS, c.HoldMS, c.OffsetMS, c.RTTMS)},
		{"events", fmt.Sprintf("%d by channel, %d copies by fast channel, %d by packets; %d by both and equal", e.Reliable, e.Fast, e.ByExtension, e.BothPaths)},
		{"frame error", frameErrors(e.FrameError)},
		{"off the frame", fmt.Sprintf("%d late, %d only repeats, %d not carried, %d carrier lost, %d still in flight",
			e.LateOnly, e.RepeatOnly, e.NotCarried, e.CarrierLost, e.InFlight)},
		{"sequence", fmt.Sprintf("%d gaps, %d doubles, %d equivocations, %d digest mismatches", e.Gaps, e.Doubles, e.Equivocations, e.DigestMismatches)},
		{"frame hash", fmt.Sprintf("%d checked, %d mismatched, %d not whole", r.FrameHash.Checked, r.FrameHash.Mismatched, r.FrameHash.Incomplete)},
		{"packets with", fmt.Sprintf("marker %d, heartbeat %d, playout-delay %d (%d-%d ms), abs-capture-time %d (off by %.2f ms at most)",
			x.Markers, x.Heartbeats, x.PlayoutDelay, x.PlayoutMinMS, x.PlayoutMaxMS, x.AbsCaptureTime, x.AbsCaptureErrorMS)},
	}
	for _, m := range r.Malformed {
		rows = append(rows, [2]string{"malformed", m})
	}
	verdict := "as promised"
	if p := r.Problems(); len(p) > 0 {
		verdict = strings.Join(p, "; ")
	}
	return append(rows, [2]string{"verdict", verdict})
}

// frameErrors writes the histogram, the exact ones first.
func frameErrors(h map[int]int) string {
	if len(h) == 0 {
		return "no event to judge"
	}
	parts := []string{fmt.Sprintf("0 frames: %d", h[0])}
	for _, n := range slices.Sorted(maps.Keys(h)) {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%+d: %d", n, h[n]))
		}
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
