package ice

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

var (
	first  = netip.MustParseAddrPort("192.0.2.1:1000")
	second = netip.MustParseAddrPort("[2001:db8::1]:2000")
	start  = time.Unix(1_800_000_000, 0)
)

func newAgent() *Agent {
	return &Agent{Ufrag: "ours", Password: "a password of the relay"}
}

// check is a connectivity check as a browser sends it.
func check(t testing.TB, username, password string, more ...stun.Setter) []byte {
	t.Helper()
	set := append([]stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(username)}, more...)
	m, err := stun.Build(append(set, stun.NewShortTermIntegrity(password), stun.Fingerprint)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

type flag stun.AttrType

func (f flag) AddTo(m *stun.Message) error { m.Add(stun.AttrType(f), nil); return nil }

type tiebreaker stun.AttrType

func (k tiebreaker) AddTo(m *stun.Message) error {
	m.Add(stun.AttrType(k), make([]byte, 8))
	return nil
}

func TestAnswersAsRFC8445Says(t *testing.T) {
	for _, from := range []netip.AddrPort{first, second} {
		a := newAgent()
		request := check(t, "ours:theirs", a.Password, tiebreaker(stun.AttrICEControlling), flag(stun.AttrUseCandidate))
		reply, verdict := a.Check(request, nil, from, start)
		if verdict != Moved {
			t.Fatalf("verdict %d", verdict)
		}
		m := &stun.Message{Raw: reply}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		if err := stun.NewShortTermIntegrity(a.Password).Check(m); err != nil {
			t.Error(err)
		}
		if err := stun.Fingerprint.Check(m); err != nil {
			t.Error(err)
		}
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(m); err != nil || !mapped.IP.Equal(from.Addr().AsSlice()) || mapped.Port != int(from.Port()) {
			t.Errorf("mapped address %v, %v", mapped, err)
		}
		if m.Type != stun.BindingSuccess || string(m.TransactionID[:]) != string(request[8:20]) {
			t.Errorf("%v does not answer the request", m.Type)
		}
	}
}

func TestRefusesWhatIsNotACheckOfTheSession(t *testing.T) {
	a := newAgent()
	good := check(t, "ours:theirs", a.Password)
	flipped := append([]byte(nil), good...)
	flipped[8] ^= 1
	for name, b := range map[string][]byte{
		"empty": nil, "short": good[:12], "cut": good[:len(good)-3], "flipped": flipped,
		"another password":  check(t, "ours:theirs", "guess"),
		"another session":   check(t, "yours:theirs", a.Password),
		"longer":            append(append([]byte(nil), good...), 0),
		"without integrity": stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:theirs")).Raw,
		"an indication":     stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw,
	} {
		if reply, verdict := a.Check(b, nil, first, start); len(reply) > 0 || verdict != Refused {
			t.Errorf("%s: verdict %d, %d bytes", name, verdict, len(reply))
		}
	}
	if !a.Heard().IsZero() {
		t.Error("somebody was heard")
	}
}

func TestRoleConflict(t *testing.T) {
	a := newAgent()
	reply, verdict := a.Check(check(t, "ours:theirs", a.Password, tiebreaker(stun.AttrICEControlled), flag(stun.AttrUseCandidate)), nil, first, start)
	m := &stun.Message{Raw: reply}
	var code stun.ErrorCodeAttribute
	if err := m.Decode(); err != nil || code.GetFrom(m) != nil || code.Code != stun.CodeRoleConflict || verdict != Answered {
		t.Errorf("code %v, verdict %d, %v", code.Code, verdict, err)
	}
}

// Which checks move a session, in order of time.
func TestWhatMovesASession(t *testing.T) {
	a := newAgent()
	plain := check(t, "ours:theirs", a.Password)
	nominating := check(t, "ours:theirs", a.Password, flag(stun.AttrUseCandidate))
	for i, step := range []struct {
		after time.Duration
		b     []byte
		from  netip.AddrPort
		want  Verdict
	}{
		{0, plain, first, Moved},                               // any address will do at first
		{100 * time.Millisecond, plain, second, Answered},      // a pair that is only tried
		{100 * time.Millisecond, nominating, second, Moved},    // the viewer's choice
		{100 * time.Millisecond, nominating, second, Answered}, // said again
		{300 * time.Millisecond, plain, first, Answered},       // the one in use was heard lately
		{200 * time.Millisecond, plain, first, Moved},          // it is silent: the path has changed
		{200 * time.Millisecond, nominating, second, Moved},
	} {
		start = start.Add(step.after)
		if _, got := a.Check(step.b, nil, step.from, start); got != step.want {
			t.Errorf("step %d: verdict %d, want %d", i, got, step.want)
		}
	}
	if a.Heard() != start {
		t.Errorf("heard at %v, want %v", a.Heard(), start)
	}
}

func TestUfragOf(t *testing.T) {
	for username, want := range map[string]string{"ours:theirs": "ours", ":": "", "o:": "o", "a:b:c": "a", strings.Repeat("x", 40) + ":y": strings.Repeat("x", 40)} {
		if got, ok := Ufrag(check(t, username, "p")); got != want || !ok {
			t.Errorf("%q: %q, %v", username, got, ok)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "no colon": check(t, "ours", "p"), "an answer": stun.MustBuild(stun.TransactionID, stun.BindingSuccess, stun.NewUsername("a:b")).Raw,
		"no name": stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, "RTP": append([]byte{0x80, 96}, make([]byte, 40)...),
	} {
		if got, ok := Ufrag(b); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(check(f, "ours:theirs", newAgent().Password))
	f.Add(check(f, "ours:theirs", newAgent().Password, flag(stun.AttrUseCandidate), tiebreaker(stun.AttrICEControlling)))
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("a:b")).Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		a := newAgent()
		reply, verdict := a.Check(b, nil, first, start)
		if (len(reply) == 0) != (verdict == Refused) {
			t.Fatalf("verdict %d with %d bytes", verdict, len(reply))
		}
		if ufrag, ok := Ufrag(b); verdict != Refused && (!ok || ufrag != a.Ufrag) {
			t.Fatalf("a check that would not have been found: %q, %v", ufrag, ok)
		}
	})
}
