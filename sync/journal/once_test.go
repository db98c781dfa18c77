package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"
)

// fate is what becomes of one publish.
type fate int

const (
	arrives    fate = iota
	vanishes        // it is not sent, and no answer comes
	unanswered      // it is stored, and no answer comes
	late            // no answer comes, and it arrives just before the next is sent
)

var errNoAnswer = errors.New("no answer")

// unreliable is JetStream over a bad path.
type unreliable struct {
	jetstream.JetStream
	fates   []fate
	delayed *nats.Msg
}

func (u *unreliable) PublishMsg(ctx context.Context, m *nats.Msg, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if d := u.delayed; d != nil {
		u.delayed = nil
		_, _ = u.JetStream.PublishMsg(ctx, d, jetstream.WithRetryAttempts(0))
	}
	f := arrives
	if len(u.fates) > 0 {
		f, u.fates = u.fates[0], u.fates[1:]
	}
	switch f {
	case vanishes:
		return nil, errNoAnswer
	case late:
		u.delayed = &nats.Msg{Subject: m.Subject, Data: m.Data, Header: m.Header}
		return nil, errNoAnswer
	case unanswered:
		if _, err := u.JetStream.PublishMsg(ctx, m, o...); err != nil {
			return nil, err
		}
		return nil, errNoAnswer
	}
	return u.JetStream.PublishMsg(ctx, m, o...)
}

// Whatever becomes of requests and answers, what Append said is stored is stored
// once, in order, and the same call again repeats nothing.
func TestExactlyOnce(t *testing.T) {
	s := start(t, Options{})
	u := &unreliable{JetStream: s.life.js}
	s.life.js = u
	streams := 0
	fewer(t, 30)
	rapid.Check(t, func(r *rapid.T) {
		streams++
		u.fates, u.delayed = nil, nil
		j, err := s.Open(t.Context(), fmt.Sprint("wheel-", streams), testTime)
		if err != nil {
			r.Fatal(err)
		}
		want := []string{owner1}
		abandoned := map[string]bool{} // may be there or not
		for i := range rapid.IntRange(1, 8).Draw(r, "appends") {
			lines := text(fmt.Sprint("a", i), fmt.Sprint("b", i))
			u.fates = rapid.SliceOfN(rapid.SampledFrom([]fate{vanishes, unanswered, late, arrives}), 0, 4).Draw(r, "fates")
			patience := rapid.IntRange(1, 6).Draw(r, "patience")
			for ; ; patience-- {
				_, err := j.Append(t.Context(), lines, nil)
				if err == nil {
					want = append(want, string(lines[0]), string(lines[1]))
					break
				}
				if !errors.Is(err, ErrUnavailable) {
					r.Fatal(err)
				}
				if patience == 0 {
					abandoned[string(lines[0])], abandoned[string(lines[1])] = true, true
					break
				}
			}
		}
		u.fates = nil
		appendLines(t, j, text("end"), nil)
		want = append(want, "end")
		got := contents(t, j, 1)
		certain := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return abandoned[s] })
		if !slices.Equal(certain, want) {
			r.Fatalf("got %q, want %q", got, want)
		}
		for i, line := range got {
			if slices.Contains(got[i+1:], line) {
				r.Fatalf("%q is there twice: %q", line, got)
			}
		}
	})
}
