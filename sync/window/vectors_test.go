package window

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/framelock/relay/sync/marker"
)

// windowVectors is the form of testdata/vectors/windows.json. Its hashes come from
// another program, and its verdicts were written by hand from docs/windows.md.
type windowVectors struct {
	Rules struct {
		Valid []struct {
			JSON  string
			Rules map[string]uint64
		}
		Invalid []struct{ JSON, Field string }
	}
	Commitments []struct{ Salt, Data, Commitment string }
	Actions     struct {
		Valid   []struct{ Line, Leaf string }
		Invalid []struct{ Name, Line string }
	}
	Proofs []struct {
		Proof
		Line string
	}
	Transcripts []struct {
		Name     string
		Bad      int // position of the first line that does not follow, 0 if all do
		Lines    []string
		Payloads map[string]string // by position of their action
	}
}

func vectors(t *testing.T) (v windowVectors) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/windows.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Rules.Valid) == 0 || len(v.Rules.Invalid) == 0 || len(v.Commitments) == 0 || len(v.Actions.Valid) == 0 ||
		len(v.Actions.Invalid) == 0 || len(v.Proofs) == 0 || len(v.Transcripts) == 0 {
		t.Fatal("vectors are missing")
	}
	return v
}

func TestRulesVectors(t *testing.T) {
	for _, v := range vectors(t).Rules.Valid {
		var r Rules
		if err := json.Unmarshal([]byte(v.JSON), &r); err != nil {
			t.Errorf("%s: %v", v.JSON, err)
			continue
		}
		var back map[string]uint64
		if b, err := json.Marshal(r); err != nil || json.Unmarshal(b, &back) != nil || fmt.Sprint(back) != fmt.Sprint(v.Rules) {
			t.Errorf("%s: %v", v.JSON, back)
		}
	}
	for _, v := range vectors(t).Rules.Invalid {
		var r Rules
		if fe := (*marker.FieldError)(nil); !errors.As(json.Unmarshal([]byte(v.JSON), &r), &fe) || fe.Field != v.Field {
			t.Errorf("%s: %v, want an error of %s", v.JSON, fe, v.Field)
		}
	}
}

func TestActionVectors(t *testing.T) {
	for _, v := range vectors(t).Commitments {
		salt, err := hex.DecodeString(v.Salt)
		if err != nil {
			t.Fatal(err)
		}
		if got := Commitment([SaltSize]byte(salt), []byte(v.Data)); got != v.Commitment {
			t.Errorf("%s: got %s, want %s", v.Data, got, v.Commitment)
		}
	}
	for _, v := range vectors(t).Actions.Valid {
		a, err := DecodeAction([]byte(v.Line))
		if err != nil {
			t.Errorf("%s: %v", v.Line, err)
			continue
		}
		if leaf := sha256.Sum256(append([]byte{0}, a.Encode()...)); hex.EncodeToString(leaf[:]) != v.Leaf {
			t.Errorf("%s: leaf %x, want %s", v.Line, leaf, v.Leaf)
		}
	}
	for _, v := range vectors(t).Actions.Invalid {
		if _, err := DecodeAction([]byte(v.Line)); err == nil {
			t.Errorf("%s is taken", v.Name)
		}
	}
}

func TestProofVectors(t *testing.T) {
	for _, v := range vectors(t).Proofs {
		if err := v.Verify([]byte(v.Line)); err != nil {
			t.Errorf("%d of %d: %v", v.Index, v.Size, err)
		}
		var tr tree
		for i := range v.Size {
			tr.add(append([]byte{0}, lineNumber(i)...))
		}
		if got := proofOf(&tr, v.Index); got.Root != v.Root || strings.Join(got.Hashes, " ") != strings.Join(v.Hashes, " ") {
			t.Errorf("%d of %d: got %+v", v.Index, v.Size, got)
		}
	}
}

func TestTranscriptVectors(t *testing.T) {
	reasons := map[string]bool{}
	for _, v := range vectors(t).Transcripts {
		replay := NewReplay()
		bad := 0
		for i, line := range v.Lines {
			var payload []byte
			if p := v.Payloads[fmt.Sprint(i+1)]; p != "" {
				payload = []byte(p)
			}
			if err := replay.Line(uint64(i+1), []byte(line), payload); err != nil {
				if bad = i + 1; bad != v.Bad {
					t.Errorf("%s: %v", v.Name, err)
				}
				break
			}
			if a, err := DecodeAction([]byte(line)); err == nil {
				reasons[a.Reason] = true
			}
		}
		if bad != v.Bad {
			t.Errorf("%s: line %d is found, want %d", v.Name, bad, v.Bad)
		}
	}
	for reason := range adjudicated {
		if !reasons[reason] {
			t.Errorf("no transcript has %s", reason)
		}
	}
}
