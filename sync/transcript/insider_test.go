package transcript

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/framelock/relay/sync/marker"
	"github.com/framelock/relay/sync/window"
)

// The holder of the key can write any history that obeys the rules, and sign it. It
// is what others kept that shows the lie, and one piece of it is enough.
func TestInsider(t *testing.T) {
	signer, another := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 5)
	key := signer.VerifierKey()
	const rounds, viewers = 4, 4
	honest := newKeeper(t, 7, signer).write(rounds, viewers, nil)
	receipt := func(id string) Evidence {
		for _, r := range honest.receipts {
			if r.ID == id {
				return Evidence{Keys: []string{key}, Receipts: []KeptReceipt{{"receipt", r}}}
			}
		}
		t.Fatalf("nobody has a receipt of %s", id)
		return Evidence{}
	}
	checkpoints := func(from *keeper, which ...int) Evidence {
		e := Evidence{Keys: []string{key}}
		for _, i := range which {
			e.Checkpoints = append(e.Checkpoints, KeptCheckpoint{"checkpoint", from.notes[i]})
		}
		return e
	}
	accepted := func(nth int) string { // id of an accepted action
		for _, r := range honest.receipts {
			if r.Verdict == window.Accepted {
				if nth--; nth < 0 {
					return r.ID
				}
			}
		}
		t.Fatal("too few accepted actions")
		return ""
	}
	last := honest.receipts[len(honest.receipts)-2].ID // the one in the last grace

	dishonest := func(change func(*keeper)) *keeper {
		k := newKeeper(t, 7, signer)
		change(k)
		return k.write(rounds, viewers, nil)
	}
	swapped := func(k *keeper) {
		fair := map[string]int{}
		k.pocket = func(name string, n int) int {
			fair[name] = n
			switch name {
			case "w1":
				return 36
			case "w2":
				return fair["w1"]
			}
			return n
		}
	}
	drop := func(id string) func(*keeper) {
		return func(k *keeper) { k.cheat = func(a *window.Action) bool { return a.ID != id } }
	}
	backdate := func(k *keeper) {
		k.cheat = func(a *window.Action) bool {
			if a.ID == "w2-later" {
				a.ReceivedAt = a.ReceivedAt.Add(-140 * time.Millisecond)
			}
			return true
		}
	}
	resold := newKeeper(t, 7, another)
	swapped(resold)
	resold.write(rounds, viewers, nil)

	for _, tt := range []struct {
		name   string
		shown  *keeper
		kept   Evidence
		want   string
		inside bool // consistent in itself: nothing is found without what was kept
	}{
		{name: "honest, receipt", shown: honest, kept: receipt(accepted(3))},
		{name: "honest, checkpoints", shown: honest, kept: checkpoints(honest, 0, 2)},
		{name: "outcomes swapped, one checkpoint kept", shown: dishonest(swapped), kept: checkpoints(honest, 2), want: "fork", inside: true},
		{name: "outcomes swapped, a checkpoint from before", shown: dishonest(swapped), kept: checkpoints(honest, 0), inside: true},
		{name: "accepted action dropped", shown: dishonest(drop(accepted(3))), kept: receipt(accepted(3)), want: "receipt", inside: true},
		{name: "accepted action dropped, checkpoint kept", shown: dishonest(drop(accepted(3))), kept: checkpoints(honest, 2), want: "fork", inside: true},
		{name: "received_at back-dated, receipt of the loser", shown: dishonest(backdate), kept: receipt("w2-later"), want: "receipt", inside: true},
		{name: "received_at back-dated, checkpoint kept", shown: dishonest(backdate), kept: checkpoints(honest, 2), want: "fork", inside: true},
		{name: "two viewers were shown two histories, the first", shown: honest, kept: merge(checkpoints(honest, 2), checkpoints(dishonest(swapped), 2)), want: "fork", inside: true},
		{name: "two viewers were shown two histories, the second", shown: dishonest(swapped), kept: merge(checkpoints(honest, 2), checkpoints(dishonest(swapped), 2)), want: "fork", inside: true},
		{name: "a shorter history", shown: newKeeper(t, 7, signer).write(2, viewers, nil), kept: checkpoints(honest, 2), want: "shorter", inside: true},
		{name: "a shorter history, receipt", shown: newKeeper(t, 7, signer).write(3, viewers, nil), kept: receipt(last), want: "lost_action", inside: true},
		{name: "signed again with another key", shown: resold, kept: Evidence{Keys: []string{key}}, want: "key", inside: true},
		{name: "signed again with another key, checkpoint kept", shown: resold, kept: checkpoints(honest, 2), want: "key fork", inside: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			export := tt.shown.export(tt.shown.signer.VerifierKey())
			if r := verify(t, export, Evidence{}); tt.inside && !r.OK() {
				t.Fatalf("the forgery is not consistent in itself: %v", r.Findings)
			}
			r := verify(t, export, tt.kept)
			if got := codes(r); got != tt.want {
				t.Errorf("found %q, want %q: %v", got, tt.want, r.Findings)
			}
		})
	}
}

func merge(a, b Evidence) Evidence {
	a.Checkpoints = append(a.Checkpoints, b.Checkpoints...)
	return a
}

// A keeper of the key who changes the journal and signs it again breaks the rules
// that a reader knows. Each row is one change of lines.
func TestForgedLines(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	key := signer.VerifierKey()
	k := newKeeper(t, 11, signer).write(4, 4, nil)
	nth := func(lines [][]byte, n int, parts ...string) int {
		for i, l := range lines {
			all := true
			for _, p := range parts {
				all = all && bytes.Contains(l, []byte(p))
			}
			if all {
				if n--; n < 0 {
					return i
				}
			}
		}
		t.Fatalf("no line with %q", parts)
		return 0
	}
	replace := func(n int, old, new string, parts ...string) func([][]byte) [][]byte {
		return func(lines [][]byte) [][]byte {
			i := nth(lines, n, append(parts, old)...)
			lines[i] = bytes.Replace(lines[i], []byte(old), []byte(new), 1)
			return lines
		}
	}
	drop := func(n int, parts ...string) func([][]byte) [][]byte {
		return func(lines [][]byte) [][]byte {
			i := nth(lines, n, parts...)
			return slices.Delete(lines, i, i+1)
		}
	}
	swap := func(n, m int, parts ...string) func([][]byte) [][]byte {
		return func(lines [][]byte) [][]byte {
			i, j := nth(lines, n, parts...), nth(lines, m, parts...)
			lines[i], lines[j] = lines[j], lines[i]
			return lines
		}
	}
	for _, tt := range []struct {
		name string
		edit func([][]byte) [][]byte
		want string
	}{
		{"nothing", func(l [][]byte) [][]byte { return l }, ""},
		{"an event is dropped", drop(0, `"kind":"marker"`), "seq"},
		{"an outcome is dropped", drop(0, `"kind":"outcome"`), "seq"},
		{"outcomes are swapped", swap(0, 1, `"kind":"outcome"`), "seq window"},
		{"outcome before the close", func(lines [][]byte) [][]byte {
			i, j := nth(lines, 0, `"kind":"window.close"`), nth(lines, 0, `"kind":"outcome"`)
			lines[i], lines[j] = lines[j], lines[i]
			return lines
		}, "seq window"},
		{"an accepted action is dropped with its payload", func(lines [][]byte) [][]byte {
			i := nth(lines, 1, `"type":"action"`, `"verdict":"accepted"`)
			n := 1
			if bytes.Contains(lines[i+1], []byte(`"type":"payload"`)) {
				n = 2
			}
			return slices.Delete(lines, i, i+n)
		}, "order window"},
		{"a rejected action is dropped", func(lines [][]byte) [][]byte {
			i := nth(lines, 0, `-later"`, `"type":"action"`)
			return slices.Delete(lines, i, i+2)
		}, "window order"},
		{"an accepted action is called rejected", replace(0, `"verdict":"accepted"`, `"verdict":"rejected","reason":"seen_too_old"`), "verdict"},
		{"a rejected action is called accepted", replace(0, `"verdict":"rejected","reason":"window_closed"`, `"verdict":"accepted"`), "verdict"},
		{"received_at is back-dated", func(lines [][]byte) [][]byte {
			i := nth(lines, 0, `"type":"action"`, `-later"`)
			a, err := window.DecodeAction(lines[i])
			if err != nil {
				t.Fatal(err)
			}
			a.ReceivedAt, a.Superseded = a.ReceivedAt.Add(-140*time.Millisecond), a.Superseded.Add(-140*time.Millisecond)
			lines[i] = a.Encode()
			return lines
		}, "verdict"},
		{"two actions are swapped", func(lines [][]byte) [][]byte {
			i := nth(lines, 0, `"type":"action"`, `-late"`)
			lines[i], lines[i+2] = lines[i+2], lines[i]
			lines[i+1], lines[i+3] = lines[i+3], lines[i+1]
			return lines
		}, "order verdict"},
		{"the count is changed", replace(0, `"accepted":`, `"accepted":1`, `"kind":"window.close"`), "window"},
		{"the root is changed", replace(0, `"root":"`, `"root":"0`, `"kind":"window.close"`), "window"},
		{"a payload is changed", replace(0, `"bet":`, `"bet":1`), "payload"},
		{"payloads are swapped", swap(0, 1, `"type":"payload"`), "payload"},
		{"a payload stands alone", drop(0, `-late"`, `"type":"action"`), "payload order window"},
		{"a lease is dropped", func(lines [][]byte) [][]byte {
			i := nth(lines, 2, `"type":"lease"`)
			return slices.Delete(lines, i, i+2)
		}, "lease seq"},
		{"a lease ends before its events", replace(1, `"seq_end":8192`, `"seq_end":4000`), "lease seq"},
		{"a lease ends before the newest event", replace(0, `"seq_end":8192`, `"seq_end":3`), "lease"},
		{"a lease of another log", replace(0, testLog.String(), "0000000000000001", `"type":"lease"`), "identity"},
		{"an event of another stream", replace(0, `"stream":"wheel"`, `"stream":"other"`), "identity"},
		{"an event of another log", replace(0, testLog.String(), "0000000000000001", `"kind":"marker"`), "identity"},
		{"an owner comes again", replace(0, `"term":2`, `"term":1`), "owner"},
		{"a recovery hides an event", func(lines [][]byte) [][]byte {
			return slices.Delete(lines, nth(lines, 0, `"kind":"recovered"`)-5, nth(lines, 0, `"kind":"recovered"`)-4)
		}, "seq"},
		{"a recovery skips seq numbers", replace(0, `"seq":4097,`, `"seq":4099,`), "seq"},
		{"a recovery names another seq", replace(0, `"last_durable":`, `"last_durable":1`), "seq"},
		{"a frame hash is not the recording's", replace(0, `"hash":"0`, `"hash":"1`), "frame_hash"},
		{"a frame hash of a later event", replace(0, `"of_seq":`, `"of_seq":9`), "frame_hash"},
		{"a line of no type", func(l [][]byte) [][]byte { return append(l, []byte(`{"v":1,"type":"other"}`)) }, "format"},
		{"a line that is not JSON", func(l [][]byte) [][]byte { return append(l, []byte("x")) }, "format"},
		{"a second header", func(l [][]byte) [][]byte { return append(l, []byte(`{"v":1,"type":"transcript"}`)) }, "format"},
		{"a checkpoint of another key", func(l [][]byte) [][]byte {
			return append(l, CheckpointLine(sign(t, testSigner(t, testOrigin, 1), k.tree.Size(), k.tree.Root())))
		}, "signature"},
		{"a checkpoint of another root", func(l [][]byte) [][]byte {
			return append(l, CheckpointLine(sign(t, signer, k.tree.Size(), Hash{})))
		}, "root"},
		{"a checkpoint of fewer events", func(l [][]byte) [][]byte {
			return append(l, CheckpointLine(sign(t, signer, 1, Hash{})))
		}, "size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := make([][]byte, len(k.lines))
			for i, l := range k.lines {
				lines[i] = bytes.Clone(l)
			}
			changed := tt.edit(lines)
			if !strings.Contains(tt.name, "checkpoint") {
				changed = resign(t, signer, changed)
			}
			r := verify(t, seal(t, key, signer, changed), Evidence{Keys: []string{key}, FrameHashes: recording})
			if got := codes(r); got != tt.want {
				t.Errorf("found %q, want %q:", got, tt.want)
				for _, f := range r.Findings {
					t.Log(f)
				}
			}
		})
	}
}

// Who has none of the log's keys may name them in a notice, and hand over to and from
// them at once: a key is trusted for what it signed, not for being named.
func TestKeyThatIsOnlyNamedIsNotTrusted(t *testing.T) {
	trusted, first, second := testSigner(t, testOrigin, 0), testSigner(t, testOrigin, 5), testSigner(t, testOrigin, 6)
	forger := newKeeper(t, 7, first).write(2, 3, nil)
	for _, s := range []*Signer{trusted, second} {
		forger.event(marker.Notice, "", NewKeyNotice(s, first))
	}
	forger.durable = forger.tree.Clone()
	forger.checkpoint()
	forger.signer = second
	forged := forger.export(first.VerifierKey())
	r := verify(t, forged, Evidence{Keys: []string{trusted.VerifierKey()}})
	if r.Trusted || codes(r) != "key" || slices.Contains(r.Keys, trusted.VerifierKey()) {
		t.Errorf("trusted %v, keys %v, found %q: a log that was signed by none of the trusted keys", r.Trusted, r.Keys, codes(r))
	}
}

// The holder of the key cannot sign two histories of one length in one export either.
func TestTwoRootsOfOneSize(t *testing.T) {
	signer := testSigner(t, testOrigin, 0)
	k := newKeeper(t, 7, signer).write(1, 2, nil)
	k.line(CheckpointLine(sign(t, signer, k.tree.Size(), k.tree.Root())))
	k.line(CheckpointLine(sign(t, signer, k.tree.Size(), LeafHash(nil))))
	if got := codes(verify(t, k.export(signer.VerifierKey()), Evidence{})); got != "root" {
		t.Errorf("found %q, want root", got)
	}
}
