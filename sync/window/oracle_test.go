package window

import (
	"encoding/json"
	"time"

	"github.com/framelock/relay/sync/marker"
)

// entryOf is one line as the oracle knows it: an event or an action.
type entryOf struct {
	event  *marker.Event
	action *Action
}

// oracle gives the verdict that docs/windows.md asks for, from the whole history,
// which it walks anew for every question. It shares no code with the Book.
func oracle(history []entryOf, a *Action) string {
	type facts struct {
		known, closing, closed, void bool
		open, closesTS, closeTS      uint64
		at                           time.Time
		rules                        map[string]int64
		accepted, ofSubject          int
	}
	var w facts
	for _, h := range history {
		if h.event != nil && h.event.Window == a.Window {
			var data map[string]json.RawMessage
			json.Unmarshal(h.event.Data, &data)
			number := func(name string) (v uint64) {
				json.Unmarshal(data[name], &v)
				return v
			}
			switch h.event.Kind.String() {
			case "window.open":
				w.known, w.open, w.closesTS = true, h.event.TS, number("closes_ts")
				json.Unmarshal(h.event.Data, &w.rules)
			case "window.closing":
				w.closing, w.closeTS = true, number("close_ts")
				json.Unmarshal(data["at"], &w.at)
			case "window.close":
				w.closed = true
			case "void":
				w.void = true
			}
		}
		if h.action != nil {
			if h.action.Subject == a.Subject && h.action.ID == a.ID && h.action.Reason != "id_reused" {
				return "id_reused"
			}
			if h.action.Window == a.Window && h.action.Verdict == "accepted" {
				w.accepted++
				if h.action.Subject == a.Subject {
					w.ofSubject++
				}
			}
		}
	}
	if !w.known {
		return "window_unknown"
	}
	if w.void {
		return "window_void"
	}
	if w.closed {
		return "window_closed"
	}
	server := a.Session == ""
	grace := time.Duration(w.rules["grace_ms"]) * time.Millisecond
	if w.closing && (server || !a.ReceivedAt.Before(w.at.Add(grace))) {
		return "window_closed"
	}
	if int64(a.Size) > w.rules["max_bytes"] {
		return "too_large"
	}
	if !server {
		var sentMax uint64
		sent := false
		for _, s := range a.Sent {
			sentMax = max(sentMax, s.To)
			if a.Seen >= s.From && a.Seen <= s.To {
				sent = true
			}
		}
		if a.Seen == 0 {
			return "seen_missing"
		}
		if a.Seen < w.open {
			if sentMax < w.open {
				return "window_not_open"
			}
			return "seen_before_open"
		}
		if w.closing && a.Seen >= w.closeTS || w.closesTS != 0 && a.Seen >= w.closesTS {
			return "seen_after_close"
		}
		if len(a.Sent) > 0 && a.Seen > sentMax {
			return "seen_future"
		}
		if !sent {
			return "seen_not_sent"
		}
		if a.Superseded.IsZero() && sentMax > a.Seen {
			return "seen_too_old"
		}
		if !a.Superseded.IsZero() {
			credit := a.RTTMS
			if credit > 500 {
				credit = 500
			}
			allowed := time.Duration(w.rules["max_age_ms"])*time.Millisecond + time.Duration(credit*1000+0.5)*time.Microsecond
			if a.Superseded.Add(allowed).Before(a.ReceivedAt) {
				return "seen_too_old"
			}
		}
	}
	if int64(w.ofSubject) >= w.rules["max_per_viewer"] {
		return "limit_per_viewer"
	}
	if int64(w.accepted) >= w.rules["max_actions"] {
		return "window_full"
	}
	return ""
}
