package evidence

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"

	"github.com/framelock/relay/media/codec"
	"github.com/framelock/relay/media/forward"
)

// Matroska's time is a whole number of nanoseconds a tick. Ours is the one that is
// nearest to a tick of the 90 kHz line, so that a block's time is its frame's
// canonical timestamp, exactly, less that of the file's first frame. Players are
// slow by 1 in 100,000.
const tick = 11111 * time.Nanosecond

// clusterTicks bounds the time of a block in its cluster, which has 16 bits.
const clusterTicks = math.MaxInt16

// Names of the tags (RFC 9559, section 5.1.8) in which a file says what its times mean.
const (
	tagBase   = "FRAMELOCK_TS"     // canonical timestamp of time 0
	tagStream = "FRAMELOCK_STREAM" // name of the stream
)

// ids of Matroska's tracks: one more than the stream's.
func numberOf(t forward.Track) uint64 { return uint64(t) + 1 }

var codecIDs = map[codec.Codec]string{codec.H264: "V_MPEG4/ISO/AVC", codec.VP8: "V_VP8", codec.Opus: "A_OPUS"}

type simpleTag struct {
	Name  string `ebml:"TagName"`
	Value string `ebml:"TagString"`
}

type tags struct {
	Tag []struct {
		Targets struct{}    `ebml:"Targets"`
		Simple  []simpleTag `ebml:"SimpleTag"`
	} `ebml:"Tag"`
}

type matroskaHead struct {
	EBML    webm.EBMLHeader `ebml:"EBML"`
	Segment struct {
		Info   webm.Info   `ebml:"Info"`
		Tracks webm.Tracks `ebml:"Tracks"`
		Tags   tags        `ebml:"Tags"`
	} `ebml:"Segment,size=unknown"`
}

type matroskaCluster struct {
	Cluster webm.Cluster `ebml:"Cluster"`
}

// WriteMatroska writes frames as a Matroska file (RFC 9559), without transcoding:
// the first is a keyframe of video. tracks says what to announce; it returns
// ErrNothing, and writes nothing, if there is no frame.
func WriteMatroska(w io.Writer, stream string, tracks Tracks, frames iter.Seq2[Frame, error]) error {
	m := matroskaWriter{w: w, stream: stream, tracks: tracks}
	for f, err := range frames {
		if err != nil {
			return err
		}
		if err := m.add(f); err != nil {
			return err
		}
	}
	if !m.begun {
		return ErrNothing
	}
	return m.flush()
}

type matroskaWriter struct {
	w       io.Writer
	stream  string
	tracks  Tracks
	begun   bool
	base    Frame
	cluster webm.Cluster
}

// add puts a frame in the file. One that was captured before the first frame of
// video is left out.
func (m *matroskaWriter) add(f Frame) error {
	if !m.begun {
		if f.Track != forward.Video || !f.Keyframe {
			return nil
		}
		if err := m.begin(f); err != nil {
			return err
		}
	}
	at := m.time(f)
	if at < 0 || m.tracks[f.Track] != f.Codec {
		return nil
	}
	from := int64(m.cluster.Timecode)
	if len(m.cluster.SimpleBlock) > 0 && (at-from > clusterTicks || at < from-clusterTicks || f.Track == forward.Video && f.Keyframe) {
		if err := m.flush(); err != nil {
			return err
		}
	}
	if len(m.cluster.SimpleBlock) == 0 {
		m.cluster.Timecode = uint64(at)
	}
	m.cluster.SimpleBlock = append(m.cluster.SimpleBlock, ebml.Block{
		TrackNumber: numberOf(f.Track), Timecode: int16(at - int64(m.cluster.Timecode)), Keyframe: f.Keyframe, Data: [][]byte{f.Sample},
	})
	return nil
}

// time returns a frame's time in ticks. Of sound it is that of its capture, which
// ties the two lines together.
func (m *matroskaWriter) time(f Frame) int64 {
	if f.Track == forward.Video {
		return int64(f.TS - m.base.TS)
	}
	if f.CapturedAt.IsZero() || m.base.CapturedAt.IsZero() {
		return int64(f.TS)*90/48 - int64(m.base.TS)
	}
	return int64(math.Round(f.CapturedAt.Sub(m.base.CapturedAt).Seconds() * 90000))
}

func (m *matroskaWriter) begin(key Frame) error {
	m.begun, m.base = true, key
	head := &matroskaHead{EBML: webm.EBMLHeader{
		EBMLVersion: 1, EBMLReadVersion: 1, EBMLMaxIDLength: 4, EBMLMaxSizeLength: 8,
		DocType: "matroska", DocTypeVersion: 4, DocTypeReadVersion: 2,
	}}
	head.Segment.Info = webm.Info{
		TimecodeScale: uint64(tick), MuxingApp: "Framelock relay", WritingApp: "Framelock relay", DateUTC: key.CapturedAt,
	}
	for t, c := range m.tracks {
		if c == 0 {
			continue
		}
		track := forward.Track(t)
		e := webm.TrackEntry{Name: track.String(), TrackNumber: numberOf(track), TrackUID: numberOf(track), CodecID: codecIDs[c]}
		d, err := codec.Describe(c, key.Sample)
		if err != nil {
			return fmt.Errorf("the keyframe at %d: %w", key.TS, err)
		}
		if e.CodecPrivate = d.Private; c.Video() {
			e.TrackType, e.Video = 1, &webm.Video{PixelWidth: uint64(d.Width), PixelHeight: uint64(d.Height)}
		} else {
			e.TrackType, e.Audio = 2, &webm.Audio{SamplingFrequency: 48000, Channels: 2}
		}
		head.Segment.Tracks.TrackEntry = append(head.Segment.Tracks.TrackEntry, e)
	}
	head.Segment.Tags.Tag = append(head.Segment.Tags.Tag, struct {
		Targets struct{}    `ebml:"Targets"`
		Simple  []simpleTag `ebml:"SimpleTag"`
	}{Simple: []simpleTag{{tagBase, strconv.FormatUint(key.TS, 10)}, {tagStream, m.stream}}})
	return ebml.Marshal(head, m.w)
}

func (m *matroskaWriter) flush() error {
	if len(m.cluster.SimpleBlock) == 0 {
		return nil
	}
	err := ebml.Marshal(&matroskaCluster{m.cluster}, m.w)
	clear(m.cluster.SimpleBlock)
	m.cluster.SimpleBlock = m.cluster.SimpleBlock[:0]
	return err
}

// ErrNotOurs says that a Matroska file is not one that WriteMatroska wrote.
var ErrNotOurs = fmt.Errorf("not a Matroska file of a relay (it has no tag %s)", tagBase)

// ReadMatroska calls yield for the frames of a file that WriteMatroska wrote, in
// its order, until it returns false. The file is held in memory.
func ReadMatroska(r io.Reader, yield func(Frame) bool) error {
	b, err := io.ReadAll(r)
	if err == nil {
		err = checkEBML(b)
	}
	if err != nil {
		return fmt.Errorf("matroska: %w", err)
	}
	var file struct {
		EBML    webm.EBMLHeader `ebml:"EBML"`
		Segment struct {
			Info    webm.Info      `ebml:"Info"`
			Tracks  webm.Tracks    `ebml:"Tracks"`
			Tags    tags           `ebml:"Tags"`
			Cluster []webm.Cluster `ebml:"Cluster"`
		} `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(b), &file); err != nil && err != io.EOF {
		return fmt.Errorf("matroska: %w", err)
	}
	base, err := uint64(0), ErrNotOurs
	for _, t := range file.Segment.Tags.Tag {
		for _, s := range t.Simple {
			if s.Name == tagBase {
				base, err = strconv.ParseUint(s.Value, 10, 64)
			}
		}
	}
	if err != nil {
		return err
	}
	codecs := map[uint64]codec.Codec{}
	for _, t := range file.Segment.Tracks.TrackEntry {
		for c, id := range codecIDs {
			if t.CodecID == id {
				codecs[t.TrackNumber] = c
			}
		}
	}
	for _, cluster := range file.Segment.Cluster {
		for _, b := range cluster.SimpleBlock {
			c := codecs[b.TrackNumber]
			if len(b.Data) != 1 || c == 0 {
				continue
			}
			f := Frame{Codec: c, TS: base + cluster.Timecode + uint64(int64(b.Timecode)), Keyframe: b.Keyframe, Sample: b.Data[0]}
			if !c.Video() {
				f.Track = forward.Audio
			} else if f.Hash, err = codec.HashSample(c, f.Sample); err != nil {
				return fmt.Errorf("matroska: the frame at %d: %w", f.TS, err)
			}
			if !yield(f) {
				return nil
			}
		}
	}
	return nil
}
