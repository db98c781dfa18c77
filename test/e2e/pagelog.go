package e2e

// PageLog is what page/play.mjs notes of the SDK's work. Times are in
// milliseconds of the page's own clock.
type PageLog struct {
	Route     string     `json:"route"`
	Drawn     []Drawn    `json:"drawn"`
	Snapshots []Snapshot `json:"snapshots"`
	Alarms    []Said     `json:"alarms"`
	Notices   []Said     `json:"notices"`
	Statuses  []Said     `json:"statuses"`
	Hidden    int        `json:"hidden"` // events that fired while the page presented nothing
	Unseen    []uint64   `json:"unseen"` // their seqs
	Hashes    []Hash     `json:"hashes"`
	Stalls    int        `json:"stalls"` // paints that were held up
	Switches  []Switch   `json:"switches"`
	// Gaps are the times in which the page was given no turn to paint for longer than
	// two refreshes, as on a machine that is busy.
	Gaps []Gap `json:"gaps"`
}

// Gap is a time without a turn: how long, and when the next one came.
type Gap struct {
	At float64 `json:"at"`
	MS float64 `json:"ms"`
}

// starvedMS is how long after a gap a browser may still be busy with what waited.
const starvedMS = 100

// starved returns the events that were painted in or just after a gap.
func (l *PageLog) starved() map[string]bool {
	events, gaps := map[string]bool{}, l.Gaps
	for _, d := range l.Drawn {
		for len(gaps) > 0 && gaps[0].At+starvedMS < d.At {
			gaps = gaps[1:]
		}
		if len(gaps) > 0 && gaps[0].At-gaps[0].MS <= d.At {
			for _, f := range d.Fired {
				events[f.ID] = true
			}
		}
	}
	return events
}

// Switch is a session that took over from another one.
type Switch struct {
	At       float64 `json:"at"` // just after the paint of its first picture
	Reason   string  `json:"reason"`
	Seamless bool    `json:"seamless"`
}

// Hash is the comparison of a marked frame's coded bytes with its published hash.
type Hash struct {
	Seq       uint64 `json:"seq"`
	TS        uint64 `json:"ts"`
	Result    string `json:"result"` // match, mismatch or unseen
	Published string `json:"published"`
}

// Drawn is one paint of the canvas.
type Drawn struct {
	At      float64 `json:"at"`
	Bar     int64   `json:"bar"` // the number in the pixels, -1 if there is none to be read
	RTP     int64   `json:"rtp"` // the timestamp that the SDK ties the pixels to, -1 if none
	TS      int64   `json:"ts"`  // canonical
	Again   bool    `json:"again"`
	Overlay bool    `json:"overlay"`
	Fired   []Fired `json:"fired"`
}

// Fired is an event that was painted.
type Fired struct {
	ID      string `json:"id"`
	Seq     uint64 `json:"seq"`
	TS      uint64 `json:"ts"`
	Kind    string `json:"kind"`
	Frames  int    `json:"frames"`
	Skipped bool   `json:"skipped"`
	Late    bool   `json:"late"`
}

// Snapshot is a snapshot as the SDK applied it.
type Snapshot struct {
	At      float64 `json:"at"`
	Seq     uint64  `json:"seq"`
	StateAt uint64  `json:"stateAt"`
	Log     string  `json:"log"`
	Epoch   uint32  `json:"epoch"`
	PC      int     `json:"-"` // the connection that it came by, if the instruments saw it
}

// Said is an alarm, a notice or a status.
type Said struct {
	At     float64 `json:"at"`
	Code   string  `json:"code"`
	Text   string  `json:"text"`
	Status string  `json:"status"`
	Reason string  `json:"reason"`
}

// Instruments is what page/instruments.js notes of the browser itself.
type Instruments struct {
	Raw       []RawMessage `json:"raw"`
	Presented []Presented  `json:"presented"`
	Posts     []struct {
		At float64 `json:"at"`
	} `json:"posts"`
}

// RawMessage is a message on a data channel, before the SDK saw it.
type RawMessage struct {
	At    float64 `json:"at"`
	PC    int     `json:"pc"` // which of the page's connections, from 1
	Label string  `json:"label"`
	Type  string  `json:"type"`
	Part  int     `json:"part"`
	Parts int     `json:"parts"`
	Body  string  `json:"body"`
	Seq   uint64  `json:"seq"`
	Log   string  `json:"log"`
	ID    string  `json:"id"`
	Kind  string  `json:"kind"`
	TS    uint64  `json:"ts"`
	Epoch uint32  `json:"epoch"`
}

// Presented is a frame that the browser says it presented.
type Presented struct {
	At      float64 `json:"at"`
	RTP     int64   `json:"rtp"`
	Count   int     `json:"count"`
	Element int     `json:"element"`
}
