package report

import (
	"strings"
	"testing"
	"time"
)

// soak returns ten minutes of samples, as changed by f.
func soak(f func(i int, s *SoakSample)) []SoakSample {
	list := make([]SoakSample, 600)
	for i := range list {
		s := &list[i]
		*s = SoakSample{
			At: time.Duration(i) * time.Second, RSS: 150<<20 + int64(i%7)<<18, Goroutines: 5000 + 4*(i%3), Busy: 0.6,
			Drops: map[string]float64{`relay_egress_drops_total{reason="congested"}`: 3},
		}
		if f != nil {
			f(i, s)
		}
	}
	return list
}

func TestJudgeSoak(t *testing.T) {
	tests := []struct {
		name   string
		change func(i int, s *SoakSample)
		faults []string
	}{
		{"at rest", nil, nil},
		{"memory settles in the first quarter", func(i int, s *SoakSample) { s.RSS -= int64(max(0, 150-i)) << 18 }, nil},
		{"memory leaks", func(i int, s *SoakSample) { s.RSS += int64(i) << 14 }, []string{"memory grew by 7.0 MiB in 449 s"}},
		{"memory shrinks", func(i int, s *SoakSample) { s.RSS -= int64(i) << 14 }, nil},
		{"a goroutine every half minute", func(i int, s *SoakSample) { s.Goroutines += i / 30 }, []string{"goroutines moved by +1"}},
		{"viewers are lost", func(i int, s *SoakSample) { s.Goroutines -= i / 30 }, []string{"goroutines moved by -1"}},
		{"viewers come and go", func(i int, s *SoakSample) {
			s.Drops[`relay_egress_drops_total{reason="stranger"}`] = float64(i)
		}, nil},
		{"a drop without a reason", func(i int, s *SoakSample) {
			if i == 500 {
				return
			}
			s.Drops[`relay_egress_drops_total{reason="send_error"}`] = float64(i / 599)
		}, []string{`relay_egress_drops_total{reason="send_error"} grew by 1`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := JudgeSoak(soak(tt.change))
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Faults) != len(tt.faults) {
				t.Fatalf("faults %q, want %q", s.Faults, tt.faults)
			}
			for i, want := range tt.faults {
				if !strings.Contains(s.Faults[i], want) {
					t.Errorf("fault %q, want one with %q", s.Faults[i], want)
				}
			}
			if (s.Err() == nil) != (len(tt.faults) == 0) {
				t.Errorf("error %v", s.Err())
			}
		})
	}
	if _, err := JudgeSoak(soak(nil)[:10]); err == nil {
		t.Error("ten samples were judged")
	}
}
