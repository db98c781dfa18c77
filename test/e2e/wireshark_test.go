package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shownMarker is what the dissector shows of one packet's header extension.
type shownMarker struct {
	rtpTimestamp, kind, seq, refTS uint64
	late, again                    bool
	digest                         string
}

// TestWireshark captures what the relay sends to a native viewer, and has tshark show
// every event that was published, on the packets of its own frame.
func TestWireshark(t *testing.T) {
	c := begin(t, 3*time.Minute, "tshark")
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartPublisher(20, clip(c, "h264", "360p30")))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	digests := c.digests()
	pcap := filepath.Join(w.Dir, "wheel.pcap")
	span := time.Duration(ofFull(60, 8)) * time.Second
	_, err := Output(c.ctx, w.Relay, "watch", w.Stream, "--url", w.URL(""), "--for", span.String(), "--pcap", pcap)
	c.must(err)
	c.must(w.StopPublisher())
	published, err := w.Published()
	c.must(err)

	shown, timestamps := c.dissect(pcap)
	first := map[uint64]shownMarker{} // by seq: as it is on its own frame
	heartbeats := 0
	for _, m := range shown {
		if m.kind == 0 {
			heartbeats++
		} else if _, again := first[m.seq]; !again && !m.late && m.rtpTimestamp == m.refTS {
			first[m.seq] = m
		}
	}
	known := digests()
	checked := 0
	for _, p := range published {
		if p.Answer == nil || p.Answer.LateMS > 0 || !timestamps[p.Answer.TS&0xffffffff] {
			continue
		}
		want, heard := known[p.Answer.Seq]
		if !heard {
			continue // it was published before we listened
		}
		m, ok := first[p.Answer.Seq]
		switch {
		case !ok:
			c.Errorf("event %d is not shown on a packet of its frame", p.Answer.Seq)
		case m.again || m.refTS != p.Answer.TS&0xffffffff || m.kind != markerKinds[p.Kind] || m.digest != want:
			c.Errorf("event %d: shown %+v; published %s at %d, digest %s", p.Answer.Seq, m, p.Kind, p.Answer.TS, want)
		}
		checked++
	}
	if want := int(span.Seconds()) * 15; checked < want {
		c.Errorf("%d events were checked, want %d at least", checked, want)
	}
	if heartbeats == 0 {
		c.Error("no heartbeat is shown, though keyframes without an event carry one")
	}
	c.figure("%d markers and %d heartbeats shown; %d published events each on their own frame", len(shown)-heartbeats, heartbeats, checked)
}

// markerKinds are numbers of docs/protocol.md, section 3.
var markerKinds = map[string]uint64{"marker": 1, "state": 2, "window.open": 3, "window.closing": 4, "window.close": 5, "outcome": 6, "void": 7}

// dissect has tshark show the markers of a capture, and the timestamps that its video
// has.
func (c *scenario) dissect(pcap string) (markers []shownMarker, timestamps map[uint64]bool) {
	c.Helper()
	fields := []string{"rtp.timestamp", "framelock.kind", "framelock.seq", "framelock.ref_ts", "framelock.late", "framelock.repeat", "framelock.digest"}
	args := []string{"tshark", "-X", "lua_script:../../deploy/wireshark/framelock.lua", "-r", pcap, "-d", "udp.port==5004,rtp", "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := Output(c.ctx, args...)
	c.must(err)
	timestamps = map[uint64]bool{}
	for line := range strings.Lines(string(out)) {
		v := strings.Split(strings.TrimRight(line, "\n"), "\t")
		number := func(i int) uint64 {
			n, _ := strconv.ParseUint(v[i], 10, 64) // 0 for what is not shown
			return n
		}
		timestamps[number(0)] = true
		if v[1] != "" {
			markers = append(markers, shownMarker{number(0), number(1), number(2), number(3), v[4] == "1", v[5] == "1", v[6]})
		}
	}
	return markers, timestamps
}

// digests follows the stream's events from now on and returns a function that says the digest of
// each by its seq: the first four bytes of SHA-256 over 0x00 and its exact bytes.
func (c *scenario) digests() func() map[uint64]string {
	c.Helper()
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.world.URL("/v1/streams/"+c.world.Stream+"/events"), nil)
	c.must(err)
	res, err := http.DefaultClient.Do(req)
	c.must(err)
	lines := make(chan map[uint64]string, 1)
	go func() {
		found := map[uint64]string{}
		var seq uint64
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			if id, ok := bytes.CutPrefix(in.Bytes(), []byte("id: ")); ok {
				_, _ = fmt.Sscan(string(id), &seq)
			}
			if data, ok := bytes.CutPrefix(in.Bytes(), []byte("data: ")); ok {
				sum := sha256.Sum256(append([]byte{0}, data...))
				found[seq] = hex.EncodeToString(sum[:4])
			}
		}
		lines <- found
	}()
	return func() map[uint64]string {
		res.Body.Close()
		return <-lines
	}
}
