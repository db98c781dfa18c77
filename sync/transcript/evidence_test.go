package transcript

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestParseReceipts(t *testing.T) {
	const good = `{"type":"receipt","v":1,"id":"a","window":"w","verdict":"accepted","order":3,"received_at":"2026-05-06T07:08:09.5Z","salt":"AAECAwQFBgcICQoLDA0ODw==","seen":7,"commitment":"ab"}`
	kept, err := ParseReceipts("file", []byte("\n"+good+"\r\n\n"+good))
	if err != nil || len(kept) != 2 || kept[0].Name != "file:2" || kept[1].Name != "file:4" || kept[0].Order != 3 || len(kept[0].Salt) != 16 {
		t.Errorf("%+v, %v", kept, err)
	}
	for _, bad := range []string{`x`, `{}`, `{"type":"event","v":1,"id":"a","verdict":"accepted"}`, strings.Replace(good, `"order":3`, `"order":-3`, 1)} {
		if kept, err := ParseReceipts("file", []byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "file:1: ") {
			t.Errorf("%s: %+v, %v", bad, kept, err)
		}
	}
}

func TestParseCheckpoints(t *testing.T) {
	signed := sign(t, testSigner(t, testOrigin, 0), 3, Hash{})
	line, err := json.Marshal(Notification{Type: "checkpoint", Size: 3, Seq: 9, Note: signed})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a note": signed, "lines": string(line) + "\n\n" + string(line) + "\n"} {
		kept, err := ParseCheckpoints("file", []byte(text))
		if err != nil || len(kept) != 1+strings.Count(name, "lines") || kept[0].Note != signed {
			t.Errorf("%s: %+v, %v", name, kept, err)
		}
	}
	for _, bad := range []string{"", " \n", `{"note":""}`, `{"note":`} {
		if kept, err := ParseCheckpoints("file", []byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, kept)
		}
	}
}

func FuzzDecodeReceipt(f *testing.F) {
	f.Add([]byte(`{"type":"receipt","v":1,"id":"a","verdict":"accepted","order":3,"salt":"AAECAwQFBgcICQoLDA0ODw=="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := DecodeReceipt(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Skip("a time beyond the year 9999")
		}
		if _, err := DecodeReceipt(again); err != nil {
			t.Fatalf("%s became %s: %v", text, again, err)
		}
	})
}

func FuzzParseCheckpoints(f *testing.F) {
	f.Add([]byte(sign(f, testSigner(f, testOrigin, 0), 3, Hash{})))
	f.Add([]byte(`{"note":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept, err := ParseCheckpoints("file", text)
		if (err == nil) != (len(kept) > 0) && len(bytes.TrimSpace(text)) > 0 {
			t.Fatalf("%q: %v, %v", text, kept, err)
		}
		for _, k := range kept {
			if c, err := unsigned(k.Note); err == nil && !strings.HasPrefix(k.Note, c.Text()) {
				t.Fatalf("%q is taken for %+v", k.Note, c)
			}
		}
	})
}

// Nothing that is given for an export ends the verifier or the prover, and nothing
// but the export itself is found in order.
func FuzzVerify(f *testing.F) {
	signer := testSigner(f, testOrigin, 0)
	k := newKeeper(f, 1, signer).write(2, 2, testSigner(f, testOrigin, 1))
	export := k.export(signer.VerifierKey())
	f.Add(export)
	for line := range bytes.Lines(export) {
		f.Add(line)
	}
	kept := k.evidence()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Verify(bytes.NewReader(b), kept)
		if err != nil {
			t.Fatal(err)
		}
		if r.OK() != bytes.Equal(b, export) || r.Found < len(r.Findings) {
			t.Fatalf("%q: %+v", b, r)
		}
		if p, err := NewProver(bytes.NewReader(b)); err == nil {
			_, _ = p.Event(1)
			_, _ = p.Receipt(k.receipts[0])
		}
	})
}

// BenchmarkVerify verifies 100,000 events, and about as many actions.
func BenchmarkVerify(b *testing.B) {
	signer := testSigner(b, testOrigin, 0)
	k := newKeeper(b, 1, signer)
	for i := 0; k.tree.Size() < 100_000; i++ {
		k.round("w"+string(rune('a'+i%26))+strings.Repeat("x", i%17)+"-"+k.now.Format("150405.000000000"), 3)
		if i%10 == 0 {
			k.checkpoint()
		}
	}
	export := k.export(signer.VerifierKey())
	b.SetBytes(int64(len(export)))
	for b.Loop() {
		if r := verify(b, export, Evidence{}); !r.OK() || r.Events < 100_000 {
			b.Fatal(r.Findings)
		}
	}
	b.ReportMetric(float64(k.tree.Size()), "events")
	b.ReportMetric(float64(len(k.receipts)), "actions")
}
