package window

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
)

// SaltSize is the size of a commitment's salt, in bytes.
const SaltSize = 16

// Commitment returns an action's Commitment: hex SHA-256(salt ‖ data). Without the
// salt it says nothing about the data, so the salt goes where the data goes: into
// the receipt and the payload.
func Commitment(salt [SaltSize]byte, data []byte) string {
	h := sha256.New()
	h.Write(salt[:])
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// Payload is the erasable companion of an action's line: what the viewer sent, and
// the salt that ties it to the commitment.
type Payload struct {
	Order uint64
	Salt  [SaltSize]byte
	Data  []byte // JSON as it came, without newlines
}

// Encode returns the payload's line:
// {"v":1,"type":"payload","order":n,"salt":"<base64>","data":<data>}.
func (p Payload) Encode() []byte {
	b := make([]byte, 0, 80+len(p.Data))
	b = strconv.AppendUint(append(b, `{"v":1,"type":"payload","order":`...), p.Order, 10)
	b = base64.StdEncoding.AppendEncode(append(b, `,"salt":"`...), p.Salt[:])
	b = append(append(b, `","data":`...), p.Data...)
	return append(b, '}')
}

// DecodePayload reads what Encode wrote and nothing else.
func DecodePayload(line []byte) (Payload, error) {
	if p, ok := parsePayload(line); ok && bytes.Equal(p.Encode(), line) {
		return p, nil
	}
	var form struct {
		V     int             `json:"v"`
		Type  string          `json:"type"`
		Order uint64          `json:"order"`
		Salt  []byte          `json:"salt"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(line, &form); err != nil {
		return Payload{}, fmt.Errorf("payload line: %w", err)
	}
	if form.V != 1 || form.Type != "payload" || len(form.Salt) != SaltSize {
		return Payload{}, fmt.Errorf("payload line: type %q, version %d, %d bytes of salt; want a payload of version 1 with 16", form.Type, form.V, len(form.Salt))
	}
	p := Payload{Order: form.Order, Salt: [SaltSize]byte(form.Salt), Data: form.Data}
	if !bytes.Equal(p.Encode(), line) {
		return Payload{}, fmt.Errorf("payload line %d: %w", p.Order, errNotCanonical)
	}
	return p, nil
}

// Open checks that the payload is an action's and gives the action its Digest.
func (p Payload) Open(a *Action) error {
	switch {
	case p.Order != a.Order:
		return fmt.Errorf("the payload is that of action %d", p.Order)
	case len(p.Data) != a.Size:
		return fmt.Errorf("the payload has %d bytes, and the action says %d", len(p.Data), a.Size)
	case Commitment(p.Salt, p.Data) != a.Commitment:
		return fmt.Errorf("the payload and its salt do not make the commitment %s", a.Commitment)
	}
	a.Digest = sha256.Sum256(p.Data)
	return nil
}
