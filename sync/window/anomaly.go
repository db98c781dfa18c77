package window

// Anomalies counts what a viewer who deceives would show: actions that come again
// and again inside the grace, and round trips that grow just when they earn credit.
// Neither changes a verdict. Its size is bounded: subjects not heard of for long are
// forgotten.
type Anomalies struct {
	// A subject is in one of the two. When recent is full it becomes older, and what was
	// in older is forgotten.
	recent, older           map[string]*SubjectAnomalies
	suspects, olderSuspects int

	totals AnomalyTotals
}

// AnomalyTotals are counters over all viewers' accepted actions since the Book
// began, and one gauge. They name nobody.
type AnomalyTotals struct {
	Accepted uint64 `json:"accepted"`
	InGrace  uint64 `json:"in_grace"`  // received after the closing
	RTTRises uint64 `json:"rtt_rises"` // of those, with a round trip far above what the subject had before
	Suspects int    `json:"suspects"`  // gauge: subjects for which Suspect holds
}

// SubjectAnomalies is what is known of one subject's newest accepted actions. The
// counts are halved when Accepted reaches 64, so that the past fades.
type SubjectAnomalies struct {
	Accepted int
	InGrace  int
	RTTRises int
	RTTMS    float64 // usual round trip outside the grace; negative before the first

	suspect bool
}

const (
	anomalySubjects = 1 << 15 // in each of recent and older
	anomalyFade     = 64
	suspectFrom     = 8 // accepted actions, fewer say nothing
	// A rise is this much above twice the usual round trip.
	rttRiseMS = 50
)

// Suspect reports whether more than half of at least 8 actions came inside the
// grace: seldom chance, and sometimes a bad network.
func (s SubjectAnomalies) Suspect() bool {
	return s.Accepted >= suspectFrom && 2*s.InGrace > s.Accepted
}

// Totals returns the counters and the gauge.
func (n *Anomalies) Totals() AnomalyTotals {
	t := n.totals
	t.Suspects = n.suspects + n.olderSuspects
	return t
}

// Subject returns what is known of one subject.
func (n *Anomalies) Subject(subject string) (SubjectAnomalies, bool) {
	s := n.recent[subject]
	if s == nil {
		s = n.older[subject]
	}
	if s == nil {
		return SubjectAnomalies{}, false
	}
	return *s, true
}

// add counts an accepted action of a viewer.
func (n *Anomalies) add(a *Action, inGrace bool) {
	s := n.find(a.Subject)
	n.totals.Accepted++
	s.Accepted++
	switch {
	case !inGrace && s.RTTMS < 0:
		s.RTTMS = a.RTTMS
	case !inGrace:
		s.RTTMS += (a.RTTMS - s.RTTMS) / 8
	default:
		n.totals.InGrace++
		s.InGrace++
		if s.RTTMS >= 0 && a.RTTMS > 2*s.RTTMS+rttRiseMS {
			n.totals.RTTRises++
			s.RTTRises++
		}
	}
	if s.Accepted == anomalyFade {
		s.Accepted, s.InGrace, s.RTTRises = s.Accepted/2, s.InGrace/2, s.RTTRises/2
	}
	switch is := s.Suspect(); {
	case is && !s.suspect:
		n.suspects++
	case !is && s.suspect:
		n.suspects--
	}
	s.suspect = s.Suspect()
}

// find returns the record of a subject, which is then in recent.
func (n *Anomalies) find(subject string) *SubjectAnomalies {
	if s := n.recent[subject]; s != nil {
		return s
	}
	if n.recent == nil || len(n.recent) == anomalySubjects {
		n.older, n.olderSuspects = n.recent, n.suspects
		n.recent, n.suspects = map[string]*SubjectAnomalies{}, 0
	}
	s := n.older[subject]
	if s == nil {
		s = &SubjectAnomalies{RTTMS: -1}
	} else {
		delete(n.older, subject)
		if s.suspect {
			n.olderSuspects--
			n.suspects++
		}
	}
	n.recent[subject] = s
	return s
}
