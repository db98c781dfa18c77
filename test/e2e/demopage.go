package e2e

import "encoding/json"

// demoRecord is what the demo page keeps with ?collect=1 (web/demo/record.ts).
type demoRecord struct {
	Drawn []struct {
		Seq         uint64  `json:"seq"`
		Kind        string  `json:"kind"`
		ID          string  `json:"id"`
		EventTS     uint64  `json:"event_ts"`
		PresentedTS int64   `json:"presented_ts"`
		RTP         *int64  `json:"rtp"`
		Bar         *int64  `json:"bar"`
		Frames      int     `json:"frames"`
		Late        bool    `json:"late"`
		Skipped     bool    `json:"skipped"`
		Hidden      bool    `json:"hidden"`
		At          float64 `json:"at"`
	} `json:"drawn"`
	Frames []struct {
		RTP     *int64  `json:"rtp"`
		TS      *int64  `json:"ts"`
		Bar     *int64  `json:"bar"`
		Overlay bool    `json:"overlay"`
		At      float64 `json:"at"`
	} `json:"frames"`
	Stalls  int    `json:"stalls"`
	Alarms  []Said `json:"alarms"`
	Notices []Said `json:"notices"`
	Route   string `json:"route"`
}

// demoExpression reads the record in the page.
const demoExpression = `(({drawn, frames, stalls, alarms, notices, player}) =>
  ({drawn, frames, stalls, alarms, notices, route: player.player.framelock.route}))(window.framelockDemo)`

// pageLog gives a demo page's record the form that Judge takes. When the page
// applied its snapshot is taken from the instruments: the record does not say.
func (r *demoRecord) pageLog(browser *Instruments) *PageLog {
	l := &PageLog{Route: r.Route, Alarms: r.Alarms, Notices: r.Notices, Snapshots: browser.Snapshots(), Stalls: r.Stalls}
	for _, f := range r.Frames {
		l.Drawn = append(l.Drawn, Drawn{At: f.At, Bar: orNone(f.Bar), RTP: orNone(f.RTP), TS: orNone(f.TS), Overlay: f.Overlay})
	}
	for _, e := range r.Drawn {
		if e.Hidden {
			l.Hidden++
			continue
		}
		l.Drawn = append(l.Drawn, Drawn{
			At: e.At, Bar: orNone(e.Bar), RTP: orNone(e.RTP), TS: e.PresentedTS, Again: true, Overlay: true,
			Fired: []Fired{{ID: e.ID, Seq: e.Seq, TS: e.EventTS, Kind: e.Kind, Frames: e.Frames, Skipped: e.Skipped, Late: e.Late}},
		})
	}
	return l
}

func orNone(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

// Snapshots puts the snapshots together that came on the events channels.
func (in *Instruments) Snapshots() []Snapshot {
	var all []Snapshot
	bodies := map[int]string{}
	for _, m := range in.Raw {
		if m.Type != "snapshot" {
			continue
		}
		bodies[m.PC] += m.Body
		if m.Part < m.Parts {
			continue
		}
		var s struct {
			Seq     uint64 `json:"seq"`
			StateAt uint64 `json:"state_at"`
			Log     string `json:"log"`
			Epoch   uint32 `json:"epoch"`
		}
		if json.Unmarshal([]byte(bodies[m.PC]), &s) == nil {
			all = append(all, Snapshot{At: m.At, Seq: s.Seq, StateAt: s.StateAt, Log: s.Log, Epoch: s.Epoch, PC: m.PC})
		}
		delete(bodies, m.PC)
	}
	return all
}
