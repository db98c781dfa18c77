package studio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/framelock/relay/internal/studio/clips"
)

// readLog returns the frames of a log and checks its first line.
func readLog(t *testing.T, log *bytes.Buffer, want Header) (records []Record) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(log.Bytes()))
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			var first struct{ Studio Header }
			if err := json.Unmarshal(lines.Bytes(), &first); err != nil || first.Studio != want {
				t.Errorf("first line %s, %v; want %+v", lines.Bytes(), err, want)
			}
			continue
		}
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		records = append(records, r)
	}
	return records
}

func packetsOf(t *testing.T, datagrams []datagram) (packets []*rtp.Packet) {
	t.Helper()
	for _, d := range datagrams {
		p := new(rtp.Packet)
		if err := p.Unmarshal(d.data); err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	return packets
}

// TestSchedule runs ten seconds of bubbled time and looks at every packet: each
// frame at its time to the nanosecond, in one burst, and as the log says, across
// the wraps of sequence number, timestamp and bar.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := newWire(), new(bytes.Buffer)
		c := testConfig(w)
		c.Log, c.Frames, c.StartFrame = log, 300, 1<<24-150
		start := time.Now()
		if err := Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		records := readLog(t, log, Header{"h264", "360p30", 30, 640, 360, 0x11111111, 0x22222222})
		if len(records) != 300 {
			t.Fatalf("%d frames in the log, want 300", len(records))
		}
		const first = 1<<24 - 136 // the next multiple of 60, since 2^24 = 16 modulo 60
		sent := w.to(videoTo)
		packets := packetsOf(t, sent)
		at := 0
		for i, r := range records {
			captured := start.Add(time.Duration(i) * time.Second / 30).UTC()
			want := Record{
				Frame: first + uint64(i), Bar: uint32(first+i) % (1 << 24), TS: c.Video.Timestamp + uint32(3000*i),
				SSRC: 0x11111111, CaptureTime: captured, Key: i%60 == 0, Round: r.Round,
			}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Fatalf("frame %d of the log (-want +got):\n%s", i, diff)
			}
			for begun := at; ; at++ {
				p := packets[at]
				if p.Timestamp != r.TS || p.SequenceNumber != c.Video.Seq+uint16(at) || p.SSRC != r.SSRC || p.PayloadType != 96 {
					t.Fatalf("packet %d: %v, want frame %+v", at, p, r)
				}
				if !sent[at].at.Equal(captured) || len(sent[at].data) > c.PacketSize {
					t.Fatalf("packet %d left at %v with %d bytes, want %v and at most %d", at, sent[at].at, len(sent[at].data), captured, c.PacketSize)
				}
				if key := at == begun && p.Payload[0]&0x1F == 24; at == begun && key != r.Key {
					t.Fatalf("frame %d begins with parameter sets: %v, want %v", i, key, r.Key)
				}
				if p.Marker {
					at++
					break
				}
			}
		}
		if at != len(packets) {
			t.Errorf("%d packets behind the last frame", len(packets)-at)
		}
		checkTone(t, start, w.to(audioTo), c.Audio)
	})
}

func checkTone(t *testing.T, start time.Time, sent []datagram, track Track) {
	t.Helper()
	if len(sent) < 498 || len(sent) > 500 {
		t.Errorf("%d packets of sound in ten seconds, want 50 a second", len(sent))
	}
	for i, p := range packetsOf(t, sent) {
		if p.SequenceNumber != track.Seq+uint16(i) || p.Timestamp != track.Timestamp+uint32(960*i) || p.PayloadType != 111 {
			t.Fatalf("packet %d of sound: %v", i, p)
		}
		if want := start.Add(time.Duration(i) * 20 * time.Millisecond); !sent[i].at.Equal(want) {
			t.Fatalf("packet %d of sound left at %v, want %v", i, sent[i].at, want)
		}
	}
}

// TestRounds plays each clip once and compares the log's results with the
// catalogue's.
func TestRounds(t *testing.T) {
	for _, info := range clips.Catalog() {
		synctest.Test(t, func(t *testing.T) {
			c := testConfig(newWire())
			c.Codec, c.Clip, c.Frames, c.Audio.To = info.Codec.String(), info.Name, uint64(2*info.Frames), ""
			want, got := map[uint64]int{}, map[uint64]int{}
			for _, r := range info.Rounds {
				want[uint64(r.Rest)], want[uint64(r.Rest+info.Frames)] = r.Pocket, r.Pocket
			}
			c.OnFrame = func(r Record) {
				if r.Round != nil {
					got[r.Frame] = r.Round.Pocket
				}
			}
			if err := Run(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", info.File(), diff)
			}
		})
	}
}

// TestSenderReports checks each report by hand: RFC 3550, section 6.4.1.
func TestSenderReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := testConfig(w)
		c.FPS, c.Frames = 25, 100
		start := time.Now()
		if err := Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		check := func(sent []datagram, ssrc, timestamp, ticks uint32, media []datagram) {
			if len(sent) != 5 { // one a second from the start, and the goodbye
				t.Fatalf("%d packets of RTCP in four seconds, want 5", len(sent))
			}
			for i, d := range sent[:4] {
				be := binary.BigEndian
				instant := start.Add(time.Duration(i) * time.Second)
				if d.data[1] != 200 || be.Uint32(d.data[4:]) != ssrc || !d.at.Equal(instant) {
					t.Fatalf("report %d: % x at %v", i, d.data, d.at)
				}
				if got := be.Uint32(d.data[8:]); got != uint32(instant.Unix()+2208988800) || be.Uint32(d.data[12:]) != 0 {
					t.Errorf("report %d: NTP second %d, want that of %v", i, got, instant)
				}
				if got := be.Uint32(d.data[16:]); got != timestamp+uint32(i)*ticks {
					t.Errorf("report %d: timestamp %d, want %d", i, got, timestamp+uint32(i)*ticks)
				}
				var packets, octets uint32
				for _, m := range media {
					if m.at.Before(instant) {
						packets, octets = packets+1, octets+uint32(len(m.data)-12)
					}
				}
				if be.Uint32(d.data[20:]) != packets || be.Uint32(d.data[24:]) != octets {
					t.Errorf("report %d: counts % x, want %d and %d", i, d.data[20:28], packets, octets)
				}
			}
			last, err := rtcp.Unmarshal(sent[4].data)
			if _, bye := last[len(last)-1].(*rtcp.Goodbye); err != nil || !bye {
				t.Errorf("the last packet is %v, %v, want a goodbye", last, err)
			}
		}
		check(w.to(videoControl), 0x11111111, c.Video.Timestamp, 90000, w.to(videoTo))
		check(w.to(audioControl), 0x22222222, c.Audio.Timestamp, 48000, w.to(audioTo))
		if first := w.sent[0]; first.to != videoControl {
			t.Errorf("the first packet went to %s, want a report", first.to)
		}
	})
}

// TestNTPTime has values from RFC 5905, figure 4 (the epochs), and fractions
// with exact binary forms.
func TestNTPTime(t *testing.T) {
	for _, c := range []struct {
		unix, nano int64
		want       uint64
	}{
		{0, 0, 2208988800 << 32},
		{0, 500_000_000, 2208988800<<32 | 1<<31},
		{63072000, 250_000_000, 2272060800<<32 | 1<<30},  // 1 January 1972
		{946684800 - 1, 999_999_999, 3155673600<<32 - 4}, // 4.29 units of 2^-32 s in 1 ns
	} {
		if got := ntpTime(time.Unix(c.unix, c.nano)); got != c.want {
			t.Errorf("ntpTime(%d.%09d) = %#x, want %#x", c.unix, c.nano, got, c.want)
		}
	}
}

// TestPause holds a studio for two seconds: nothing leaves meanwhile, the clock
// goes on, and it comes back on a keyframe with a report and no lost sequence
// number.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := testConfig(w)
		c.Frames = 300
		var s *Studio
		var frames []Record
		c.OnFrame = func(r Record) {
			frames = append(frames, r)
			if r.Frame == 70 {
				s.SetPaused(true)
			}
		}
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { s.SetPaused(false) })
		start := time.Now()
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if frames[71].Frame != 180 || !frames[71].Key || frames[71].TS != c.Video.Timestamp+180*3000 {
			t.Errorf("went on with %+v, want keyframe 180", frames[71])
		}
		for _, d := range w.sent {
			if since := d.at.Sub(start); since > 71*time.Second/30 && since < 6*time.Second {
				t.Errorf("sent to %s after %v", d.to, since)
			}
		}
		for i, p := range packetsOf(t, w.to(videoTo)) {
			if p.SequenceNumber != c.Video.Seq+uint16(i) {
				t.Fatalf("packet %d has sequence number %d", i, p.SequenceNumber)
			}
		}
		reports := w.to(videoControl)
		if at := reports[3].at.Sub(start); at != 6*time.Second {
			t.Errorf("report after the pause at %v, want 6s", at)
		}
		if got := s.Stats(); got.Frames != 71+120 || got.Held != 109 {
			t.Errorf("%+v, want 191 frames and 109 held", got)
		}
	})
}

// TestFeedback answers a studio with RTCP.
func TestFeedback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s, err := New(testConfig(w))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		pli, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 0x11111111}}},
			&rtcp.PictureLossIndication{MediaSSRC: 0x11111111},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.back[videoControl] <- pli
		w.back[videoTo] <- []byte("noise")
		synctest.Wait()
		if got := s.Stats(); got.KeyframeRequests != 1 || got.ReceiverReports != 1 {
			t.Errorf("%+v, want one keyframe request and one report", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v at the end of its context", err)
		}
	})
}

// TestParameterSetsInSDP leaves them out of the stream.
func TestParameterSetsInSDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := testConfig(w)
		c.SDPParameterSets, c.Frames = true, 61
		if err := Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for _, p := range packetsOf(t, w.to(videoTo)) {
			switch kind := p.Payload[0] & 0x1F; kind {
			case 1, 5, 28:
			default:
				t.Fatalf("NAL unit of type %d in the stream", kind)
			}
		}
	})
}

// Labels count on over the second from the time of day, and the log has what the
// stream has: read here by their place in the SEI message.
func TestSEITimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24*time.Hour - 1500*time.Millisecond) // synctest's clock begins at midnight UTC
		w := newWire()
		c := testConfig(w)
		log := &bytes.Buffer{}
		c.SEITimes, c.Frames, c.Log = true, 61, log
		if err := Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n"))[1:]
		if len(lines) != 61 {
			t.Fatalf("%d frames are logged", len(lines))
		}
		for i, line := range lines {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("23:59:%02d:%02d", 58+(15+i)/30, (15+i)%30)
			if i >= 45 {
				want = fmt.Sprintf("00:00:00:%02d", i-45)
			}
			if r.Timecode != want || r.SEITime.UnixMicro() != r.CaptureTime.UnixMicro() {
				t.Errorf("frame %d: timecode %s, SEI time %v of %v; want %s", i, r.Timecode, r.SEITime, r.CaptureTime, want)
			}
		}
		sei := 0
		for _, p := range packetsOf(t, w.to(videoTo)) {
			if bytes.Contains(p.Payload, []byte("MISPmicrosectime")) {
				sei++
			}
		}
		if sei != 61 {
			t.Errorf("%d SEI messages, want one a frame", sei)
		}
	})
	c := Default()
	c.Codec, c.Video.To, c.SEITimes = "vp8", videoTo, true
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "SEITimes") {
		t.Errorf("VP8 with SEI: %v", err)
	}
}

// TestImpair wants the damage that was ordered, the same for the same seed, and
// none in the log.
func TestImpair(t *testing.T) {
	play := func(t *testing.T, impair Impair) (sequence []uint16, frames int) {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			c := testConfig(w)
			c.Audio.To, c.Frames, c.Impair = "", 600, impair
			c.OnFrame = func(Record) { frames++ }
			if err := Run(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			for _, p := range packetsOf(t, w.to(videoTo)) {
				sequence = append(sequence, p.SequenceNumber-c.Video.Seq)
			}
		})
		return sequence, frames
	}
	whole, _ := play(t, Impair{})
	impair := Impair{Seed: 3, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05}
	damaged, frames := play(t, impair)
	again, _ := play(t, impair)
	if !cmp.Equal(damaged, again) || frames != 600 {
		t.Errorf("the same seed gave other damage, or %d frames in the log", frames)
	}
	seen, doubled, late := map[uint16]bool{}, 0, 0
	for i, n := range damaged {
		if seen[n] {
			doubled++
		} else if i > 0 && n < damaged[i-1] {
			late++
		}
		seen[n] = true
	}
	share := func(n int) float64 { return float64(n) / float64(len(whole)) }
	if lost := share(len(whole) - len(seen)); lost < 0.07 || lost > 0.13 {
		t.Errorf("lost %.3f, want about 0.1", lost)
	}
	if d, l := share(doubled), share(late); d < 0.02 || d > 0.08 || l < 0.02 || l > 0.08 {
		t.Errorf("doubled %.3f, late %.3f, want about 0.05 each", d, l)
	}
}

type brokenLog struct{}

var errDisk = errors.New("no space left")

func (brokenLog) Write([]byte) (int, error) { return 0, errDisk }

func TestLogError(t *testing.T) {
	c := testConfig(newWire())
	c.Log = brokenLog{}
	if err := Run(context.Background(), c); !errors.Is(err, errDisk) {
		t.Errorf("Run = %v, want the log's error", err)
	}
}
