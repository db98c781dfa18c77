package marker

import (
	"bytes"
	"errors"
	"testing"
)

// What game servers and viewers send about windows is read strictly: what is taken is
// valid, and what is not says which field is wrong.
func FuzzDecodeWindowRequests(f *testing.F) {
	for _, seed := range []string{
		`{"window":"w","at":{"next":true},"closes":{"after_ms":1000},"grace_ms":200,"accept":{"max_per_viewer":2,"max_bytes":64,"max_actions":1000,"max_age_ms":500},"timeout_ms":2000}`,
		`{"window":"w","at":{"ts":160000000000000},"closes":{"capture_time":"2030-01-02T03:04:05.5Z"}}`,
		`{"at":{"next":true},"timeout_ms":0}`,
		`{"type":"action","id":"a","window":"w","seen":{"track":"v0","ts":5},"data":{"pocket":17}}`,
		`{"id":"a","session":"s","subject":"u","data":null}`,
		`{"orders":[1,2,3]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		told := func(err error) {
			t.Helper()
			if fe := (*FieldError)(nil); err != nil && !errors.As(err, &fe) {
				t.Fatalf("error %v is no FieldError", err)
			}
		}
		open, err := DecodeOpen(b)
		if told(err); err == nil {
			open.Digest()
			if ts := open.Deadline(160000000000000, open.ClosesAt); ts != 0 && ts <= 160000000000000 {
				t.Fatalf("it closes at %d, before it opens", ts)
			}
		}
		_, err = DecodeClose("w", b)
		told(err)
		act, err := DecodeAct(b)
		if told(err); err == nil {
			told(act.Validate())
			again := act.Data
			if again != nil && !bytes.Equal(compactJSON(again), again) {
				t.Fatalf("data %s is not compact", again)
			}
		}
		orders, err := DecodeErase(b)
		if told(err); err == nil && (len(orders) == 0 || len(orders) > MaxErase) {
			t.Fatalf("%d orders", len(orders))
		}
	})
}
