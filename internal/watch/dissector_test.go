//go:build media

package watch

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
)

// TestDissector writes a packet with each header extension of the protocol's vectors
// and compares what Wireshark's dissector shows with what the vectors say.
func TestDissector(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/marker.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		Name, Hex           string
		Kind, Flags, Digest string
		Epoch               uint16
		Seq                 uint32
		RefTS               uint32 `json:"ref_ts"`
	}
	var file struct{ Accept, Refuse []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var names []string
	var want []map[string]string
	var pcap bytes.Buffer
	c := newCapture(&pcap)
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	add := func(v vector, shown map[string]string) {
		b, err := hex.DecodeString(strings.ReplaceAll(v.Hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		p := &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SSRC: 7, SequenceNumber: uint16(len(names))}, Payload: []byte{1, 2, 3}}
		if err := p.SetExtension(5, b); err != nil {
			t.Fatal(err)
		}
		c.add(p, at)
		names, want = append(names, v.Name), append(want, shown)
	}
	for _, v := range file.Accept {
		shown := map[string]string{"kind": v.Kind, "epoch": strconv.FormatUint(uint64(v.Epoch), 10), "seq": strconv.FormatUint(uint64(v.Seq), 10)}
		for flag, letter := range map[string]string{"late": "L", "repeat": "R", "more": "M", "void": "X"} {
			shown[flag] = map[bool]string{true: "1", false: "0"}[strings.Contains(v.Flags, letter)]
		}
		if v.Kind != "heartbeat" {
			shown["ref_ts"], shown["digest"] = strconv.FormatUint(uint64(v.RefTS), 10), v.Digest
		}
		add(v, shown)
	}
	for _, v := range file.Refuse {
		if v.Hex != "" { // an extension of no bytes cannot be told from none
			add(v, map[string]string{})
		}
	}
	if c.err != nil {
		t.Fatal(c.err)
	}
	shown := dissect(t, pcap.Bytes())
	if len(shown) != len(want) {
		t.Fatalf("%d packets, want %d", len(shown), len(want))
	}
	for i, got := range shown {
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("%s: (-vector +shown)\n%s", names[i], diff)
		}
	}
}

// shownFields are the dissector's fields that a vector speaks of.
var shownFields = []string{"kind", "late", "repeat", "more", "void", "epoch", "seq", "ref_ts", "digest"}

// dissect returns the dissector's fields of each packet, without those that are not
// there.
func dissect(t *testing.T, pcap []byte) []map[string]string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "markers.pcap")
	if err := os.WriteFile(name, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-X", "lua_script:../../deploy/wireshark/framelock.lua", "-r", name, "-d", "udp.port==5004,rtp", "-T", "fields"}
	for _, f := range shownFields {
		args = append(args, "-e", "framelock."+f)
	}
	cmd := exec.Command("tshark", args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || strings.Contains(complaints.String(), "lua") {
		t.Fatalf("tshark: %v\n%s", err, &complaints)
	}
	var packets []map[string]string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n"), "\n") {
		shown := map[string]string{}
		for i, value := range strings.Split(line, "\t") {
			if value != "" {
				shown[shownFields[i]] = value
			}
		}
		if kind, err := strconv.ParseUint(shown["kind"], 10, 8); err == nil {
			shown["kind"] = kindName(uint8(kind))
		}
		packets = append(packets, shown)
	}
	return packets
}
