package window

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// canonical reads the lines of actions and payloads as the relay writes them, which is in
// one form alone: a start reads millions of them. What it does not take may still be
// told apart from what it does, by the standard library and its errors; what it takes
// is compared with what Encode writes.
type canonical struct {
	rest []byte
	bad  bool
}

// literal takes the text and reports whether it was there.
func (l *canonical) literal(text string) bool {
	if !bytes.HasPrefix(l.rest, []byte(text)) {
		return false
	}
	l.rest = l.rest[len(text):]
	return true
}

// must takes the text.
func (l *canonical) must(text string) {
	if !l.literal(text) {
		l.bad = true
	}
}

// until takes what comes before a byte, which stays.
func (l *canonical) until(end byte) string {
	n := bytes.IndexByte(l.rest, end)
	if n < 0 {
		l.bad = true
		return ""
	}
	text := string(l.rest[:n])
	l.rest = l.rest[n:]
	return text
}

func (l *canonical) uint(end byte) uint64 {
	n, err := strconv.ParseUint(l.until(end), 10, 64)
	l.bad = l.bad || err != nil
	return n
}

func (l *canonical) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, l.until('"'))
	l.bad = l.bad || err != nil
	return t
}

const actionBegins = `{"v":1,"type":"action","order":`

// IsAction reports whether a line is one of an action, as DecodeAction takes it. It
// looks at the beginning alone.
func IsAction(line []byte) bool { return bytes.HasPrefix(line, []byte(actionBegins)) }

// parseAction reads an action's line; ok is false if it is in another form.
func parseAction(b []byte) (a *Action, ok bool) {
	a = &Action{V: 1, Type: "action", Sent: []Span{}}
	l := canonical{rest: b}
	l.must(actionBegins)
	a.Order = l.uint(',')
	l.must(`,"window":"`)
	a.Window = l.until('"')
	l.must(`","id":"`)
	a.ID = l.until('"')
	l.must(`","subject":"`)
	a.Subject = l.until('"')
	l.must(`","session":"`)
	a.Session = l.until('"')
	l.must(`","received_at":"`)
	a.ReceivedAt = l.time()
	l.must(`","seen":`)
	a.Seen = l.uint(',')
	l.must(`,"sent":[`)
	for first := true; !l.bad && !l.literal(`]`); first = false {
		if !first {
			l.must(`,`)
		}
		l.must(`[`)
		from := l.uint(',')
		l.must(`,`)
		a.Sent = append(a.Sent, Span{from, l.uint(']')})
		l.must(`]`)
	}
	if l.literal(`,"superseded":"`) {
		a.Superseded = l.time()
		l.must(`"`)
	}
	l.must(`,"rtt_ms":`)
	rtt, err := strconv.ParseFloat(l.until(','), 64)
	a.RTTMS = rtt
	l.must(`,"size":`)
	size := l.uint(',')
	a.Size = int(min(size, maxSize+1))
	l.must(`,"commitment":"`)
	a.Commitment = l.until('"')
	l.must(`","verdict":"`)
	a.Verdict = l.until('"')
	l.must(`"`)
	if l.literal(`,"reason":"`) {
		a.Reason = l.until('"')
		l.must(`"`)
	}
	l.must(`}`)
	return a, err == nil && !l.bad && len(l.rest) == 0
}

// parsePayload reads a payload's line; ok is false if it is in another form.
func parsePayload(b []byte) (p Payload, ok bool) {
	l := canonical{rest: b}
	l.must(`{"v":1,"type":"payload","order":`)
	p.Order = l.uint(',')
	l.must(`,"salt":"`)
	salt := l.until('"')
	l.must(`","data":`)
	n := len(l.rest) - 1
	if l.bad || n < 1 || l.rest[n] != '}' {
		return p, false
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil || len(raw) != SaltSize {
		return p, false
	}
	p.Salt, p.Data = [SaltSize]byte(raw), bytes.Clone(l.rest[:n])
	return p, json.Valid(p.Data) && len(bytes.TrimSpace(p.Data)) == n
}
