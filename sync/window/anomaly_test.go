package window

import (
	"fmt"
	"testing"
)

// play sends one action of a subject before the close and, in another window, one
// inside the grace, as often as asked.
func play(s *table, subject string, before, inGrace int, rtt float64) {
	s.t.Helper()
	for i := range before + inGrace {
		w := fmt.Sprintf("%s-%d-%d", subject, s.book.LastOrder(), i)
		s.open(w, 0, usual)
		a := action("a" + w)
		a.Window, a.Subject, a.RTTMS, a.ReceivedAt = w, subject, 20, s.book.Time(ms(110))
		if i >= before {
			s.closing(w, 6, int(s.book.Time(noon).Sub(noon).Milliseconds()))
			a.RTTMS = rtt
		}
		if got := s.judge(a); got != "" {
			s.t.Fatal(got)
		}
		s.void(w)
	}
}

func TestAnomalies(t *testing.T) {
	s := newTable(t)
	play(s, "honest", 20, 1, 20)
	play(s, "late", 4, 5, 20)
	play(s, "stretching", 5, 3, 91)
	play(s, "few", 0, 7, 20)
	server := action("server")
	s.open("w", 0, usual)
	server.Session, server.Seen, server.Sent = "", 0, nil
	s.judge(server)
	rejected := action("rejected")
	rejected.Seen = 0
	s.judge(rejected)
	if got, want := s.book.Anomalies().Totals(), (AnomalyTotals{Accepted: 45, InGrace: 16, RTTRises: 3, Suspects: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for subject, suspect := range map[string]bool{"honest": false, "late": true, "stretching": false, "few": false} {
		if got, ok := s.book.Anomalies().Subject(subject); !ok || got.Suspect() != suspect {
			t.Errorf("%s: %+v, %v", subject, got, ok)
		}
	}
	if got, _ := s.book.Anomalies().Subject("stretching"); got.Accepted != 8 || got.InGrace != 3 || got.RTTRises != 3 || got.RTTMS != 20 {
		t.Errorf("stretching: %+v", got)
	}
	if _, ok := s.book.Anomalies().Subject("s1"); ok {
		t.Error("a server, or who was rejected, is known")
	}
	play(s, "late", 8, 0, 20) // behaves again
	if got := s.book.Anomalies().Totals().Suspects; got != 0 {
		t.Errorf("%d suspects", got)
	}
}

func TestAnomaliesAreBounded(t *testing.T) {
	var n Anomalies
	a := action("a")
	a.Subject = "late"
	for range anomalyFade {
		n.add(&a, true)
	}
	if got, _ := n.Subject("late"); got.Accepted != anomalyFade/2 || got.InGrace != anomalyFade/2 {
		t.Errorf("the past does not fade: %+v", got)
	}
	crowd := func(name string, size int) {
		for i := range size {
			a.Subject = fmt.Sprint(name, i)
			n.add(&a, false)
		}
	}
	crowd("x", anomalySubjects)
	if n.Totals().Suspects != 1 || len(n.recent)+len(n.older) != anomalySubjects+1 {
		t.Errorf("%+v, %d and %d subjects", n.Totals(), len(n.recent), len(n.older))
	}
	a.Subject = "late"
	n.add(&a, true) // is in recent again
	if n.olderSuspects != 0 || n.Totals().Suspects != 1 {
		t.Errorf("%d of %+v are older", n.olderSuspects, n.Totals())
	}
	crowd("y", 2*anomalySubjects)
	if _, ok := n.Subject("late"); ok || n.Totals().Suspects != 0 || len(n.recent)+len(n.older) > 2*anomalySubjects {
		t.Errorf("%+v, %d and %d subjects", n.Totals(), len(n.recent), len(n.older))
	}
}
