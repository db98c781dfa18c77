package e2e

import (
	"fmt"
	"slices"
	"time"

	"github.com/framelock/relay/internal/croupier"
)

// Selftest is what the self-test page found, and every picture that it drew.
type Selftest struct {
	Result struct {
		Route    string `json:"route"`
		Pictures struct {
			Drawn      int `json:"drawn"`
			Skipped    int `json:"skipped"`
			Wrong      int `json:"wrong"`
			Unreadable int `json:"unreadable"`
		} `json:"pictures"`
		Events struct {
			Exact   int `json:"exact"`
			Skipped int `json:"skipped"`
			Late    int `json:"late"`
			Wrong   int `json:"wrong"`
		} `json:"events"`
		Hashes struct {
			Match    int `json:"match"`
			Mismatch int `json:"mismatch"`
			Unseen   int `json:"unseen"`
		} `json:"hashes"`
		Latency *struct {
			P50 float64 `json:"p50"`
			P95 float64 `json:"p95"`
		} `json:"latency_ms"`
		Skew *struct {
			P95 float64 `json:"p95"`
		} `json:"skew_ms"`
		Alarms []string `json:"alarms"`
	} `json:"result"`
	Pictures []struct {
		RTP *int64  `json:"rtp"`
		TS  *int64  `json:"ts"`
		Bar *int64  `json:"bar"`
		At  float64 `json:"at"` // the page's milliseconds
	} `json:"pictures"`
	TimeOrigin float64 `json:"timeOrigin"` // Unix milliseconds at which the page's begin
}

// SelftestTruth is the same by the studio's own log.
type SelftestTruth struct {
	Drawn, Skipped, Wrong int
	Markers               int // markers and outcomes published for frames between the first and the last picture
	LatencyP50            float64
}

// Truth finds out from what the studio sent and the publisher meant what the page
// should have found: the frame is known by the timestamp, the number and the
// capture time by the studio's log.
func (s *Selftest) Truth(studio *StudioLog, published []croupier.Record) (*SelftestTruth, error) {
	j := newJudge(studio, &PageLog{})
	if !j.findWire(published) {
		return nil, fmt.Errorf("%v", j.verdict.Wrong)
	}
	var t SelftestTruth
	first, last := -1, -1
	var latencies []float64
	for _, p := range s.Pictures {
		i, ok := j.frame(orNone(p.RTP), orNone(p.Bar))
		if !ok {
			return nil, fmt.Errorf("the page drew timestamp %d, which the studio never sent", orNone(p.RTP))
		}
		f := studio.Frames[i]
		t.Drawn++
		if orNone(p.Bar) != f.Bar {
			t.Wrong++
		}
		if first < 0 {
			first = i
		} else {
			t.Skipped += i - last - 1
		}
		last = i
		shown := time.UnixMicro(int64(1000 * (s.TimeOrigin + p.At)))
		latencies = append(latencies, float64(shown.Sub(f.CaptureTime).Microseconds())/1000)
	}
	for _, r := range published {
		if r.Kind != "marker" && r.Kind != "outcome" {
			continue // the others do not say which number is in their frame
		}
		if i, ok := j.byNumber[r.Frame]; ok && r.Answer != nil && i > first && i < last {
			t.Markers++
		}
	}
	slices.Sort(latencies)
	t.LatencyP50 = quantile(latencies, 0.5)
	return &t, nil
}
