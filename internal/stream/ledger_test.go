package stream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/framelock/relay/sync/window"
)

// A receipt has the bytes that the standard library gives it.
func TestReceiptIsPlainJSON(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9._:-]{1,64}`)
	rapid.Check(t, func(t *rapid.T) {
		a := window.Action{
			ID: name.Draw(t, "id"), Window: name.Draw(t, "window"), Verdict: window.Accepted,
			Order: rapid.Uint64().Draw(t, "order"), Seen: rapid.Uint64().Draw(t, "seen"),
			ReceivedAt: time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Commitment: rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "commitment"),
		}
		if rapid.Bool().Draw(t, "rejected") {
			a.Verdict, a.Reason = window.Rejected, window.ReasonSeenNotSent
		}
		salt := [window.SaltSize]byte(rapid.SliceOfN(rapid.Byte(), window.SaltSize, window.SaltSize).Draw(t, "salt"))
		want, err := json.Marshal(struct {
			Type       string    `json:"type"`
			V          int       `json:"v"`
			ID         string    `json:"id"`
			Window     string    `json:"window"`
			Verdict    string    `json:"verdict"`
			Reason     string    `json:"reason,omitempty"`
			Order      uint64    `json:"order"`
			ReceivedAt time.Time `json:"received_at"`
			Seen       uint64    `json:"seen"`
			Salt       string    `json:"salt"`
			Commitment string    `json:"commitment"`
		}{
			"receipt", 1, a.ID, a.Window, a.Verdict, a.Reason, a.Order, a.ReceivedAt, a.Seen, base64.StdEncoding.EncodeToString(salt[:]), a.Commitment,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := receiptOf(&a, salt); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
