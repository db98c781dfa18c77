package marker

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// TestEventVectors reads testdata/vectors/event.json, whose hashes come from
// sha256sum.
func TestEventVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Message, Leaf, Extension string }
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 2 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		leaf := LeafHash([]byte(v.Message))
		if got := hex.EncodeToString(leaf[:]); got != v.Leaf {
			t.Errorf("%s: leaf %s, want %s", v.Name, got, v.Leaf)
		}
		e, err := DecodeEvent([]byte(v.Message))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if again, err := e.Encode(); err != nil || string(again) != v.Message {
			t.Errorf("%s: encodes to %s, %v", v.Name, again, err)
		}
		var c Carrier
		c.Add(e.Carried([]byte(v.Message)))
		ext, n := c.Next(e.TS, true, false, ExtensionSize, clockZero)
		if want := unhex(t, v.Extension); string(ext[:n]) != string(want) {
			t.Errorf("%s: extension %x, want %x", v.Name, ext[:n], want)
		}
	}
}
