package evidence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"
)

// dump is a file written by hand from the description of rtptools' rtpdump -F dump
// format: a head at 2026-11-22T12:00:00.5Z from 127.0.0.1:5004, an RTP packet of 13
// bytes after 20 ms, and an RTCP receiver report after 40 ms.
const dump = "23217274 70706c61 79312e30 20302e30 2e302e30 2f300a" + // #!rtpplay1.0 0.0.0.0/0\n
	"6b0398c0 0007a120 7f000001 138c 0000" +
	"0015 000d 00000014 80e00001 00000bb8 00000007 aa" +
	"0010 0000 00000028 80c90001 00000007"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReader(t *testing.T) {
	r, err := NewReader(bytes.NewReader(unhex(t, dump)))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(0x6b0398c0, 500_000_000)
	first, err := r.Next()
	if err != nil || first.RTCP || len(first.Packet) != 13 || first.Packet[12] != 0xaa || !first.At.Equal(start.Add(20*time.Millisecond)) {
		t.Errorf("first record %+v, %v", first, err)
	}
	second, err := r.Next()
	if err != nil || !second.RTCP || len(second.Packet) != 8 || !second.At.Equal(start.Add(40*time.Millisecond)) {
		t.Errorf("second record %+v, %v", second, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	for _, bad := range []string{"", "#!rtpplay1.0", "#!rtpplay1.0 x\nshort", "RIFF\n................"} {
		if _, err := NewReader(bytes.NewReader([]byte(bad))); !errors.Is(err, ErrNotDump) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestNote(t *testing.T) {
	for _, n := range []Note{
		{Type: NoteGap, Reason: GapQueue, Packets: 7},
		{Type: NoteTrack, Stream: "wheel", Track: "v0", Codec: "H264", TS: 160578720000000, CapturedAt: time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)},
	} {
		b := appendNote(nil, n)
		if len(b)%4 != 0 || int(b[2])<<8|int(b[3]) != len(b)/4-1 {
			t.Errorf("RTCP of %d bytes says % x", len(b), b[:4])
		}
		if got, ok := ParseNote(b); !ok || got != n {
			t.Errorf("%+v came back as %+v, %v", n, got, ok)
		}
	}
	if _, ok := ParseNote(unhex(t, "80c9000100000007")); ok {
		t.Error("a receiver report is a note")
	}
}

// FuzzFrames reads what may be a segment, and makes a Matroska file of it: neither may
// panic, and what comes out must be read back.
func FuzzFrames(f *testing.F) {
	f.Add(unhex(f, dump))
	note := endRecord(appendNote(beginRecord(nil, 0), Note{Type: NoteTrack, Track: "v0", Codec: "VP8", TS: 1 << 40}), true)
	packet := endRecord(append(beginRecord(nil, 0), unhex(f, "80e0000100000000464c7630 10 000000 9d012a 8002 6801 00")...), false)
	f.Add(append(append(AppendHead(nil, time.Unix(1, 0)), note...), packet...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var whole []Frame
		frames := Frames(func(yield func(Record, error) bool) {
			for {
				rec, err := r.Next()
				if errors.Is(err, io.EOF) || !yield(rec, err) || err != nil {
					return
				}
			}
		})
		for frame, err := range frames {
			if err != nil {
				break
			}
			whole = append(whole, frame)
		}
		var file bytes.Buffer
		if len(whole) == 0 {
			return
		}
		err = WriteMatroska(&file, "wheel", Tracks{whole[0].Codec}, func(yield func(Frame, error) bool) {
			for _, frame := range whole {
				if !yield(frame, nil) {
					return
				}
			}
		})
		if err != nil {
			return
		}
		hashes := map[[32]byte]bool{}
		for _, frame := range whole {
			hashes[frame.Hash] = true
		}
		err = ReadMatroska(&file, func(frame Frame) bool {
			if !hashes[frame.Hash] {
				t.Errorf("frame %d has another hash", frame.TS)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	})
}
