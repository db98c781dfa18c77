package e2e

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// LiveLog is what page/live.mjs saw and heard. Times are in the page's
// milliseconds.
type LiveLog struct {
	Flashes []struct {
		At float64 `json:"at"` // expected display time of the first lit frame
	} `json:"flashes"`
	Beeps []struct {
		At float64 `json:"at"` // expected output time of the first loud sample
	} `json:"beeps"`
	Tones []struct {
		At float64 `json:"at"`
		Hz float64 `json:"hz"`
		DB float64 `json:"db"`
	} `json:"tones"`
	Frames []struct {
		At      float64 `json:"at"`
		Changed int     `json:"changed"` // samples of 64 x 36 that differ from the frame before
	} `json:"frames"`
	Skews []struct {
		MS float64 `json:"ms"` // picture's estimated playout time minus sound's
	} `json:"skews"`
	Alarms []Said `json:"alarms"`
}

// ToneHz is the tone beside the beeps.
const ToneHz = 440

// FFmpegStudio is the command line of a studio made of ffmpeg alone: a moving
// test picture in low-latency H.264 with delimiters, four slices to a frame and
// timing SEI, and a tone in Opus. Once a second, at the same timestamps, a box in
// the picture's corner flashes and a beep is added to the tone.
//
// Both outputs are told one wall-clock time for timestamp 0, as a studio's
// encoders are by their common clock; otherwise each output of ffmpeg takes the
// time at which it happened to be opened. Sound is read in steps of 20 ms, as it
// is sent: steps of another length would leave in bursts, and every viewer would
// have to buffer for them.
func FFmpegStudio(program, video, audio string, start time.Time) []string {
	const flash = "lt(mod(t\\,1)\\,0.1)"
	picture := "testsrc2=size=640x360:rate=30,drawbox=x=0:y=0:w=96:h=96:color=black:t=fill," +
		"drawbox=x=0:y=0:w=96:h=96:color=white:t=fill:enable='" + flash + "'"
	sound := fmt.Sprintf("aevalsrc=exprs='0.1*sin(2*PI*%d*t)+0.5*sin(2*PI*3000*t)*%s':sample_rate=48000:nb_samples=960", ToneHz, flash)
	zero := fmt.Sprint(start.UnixMicro())
	return []string{
		program, "-nostdin", "-hide_banner", "-loglevel", "warning",
		"-re", "-f", "lavfi", "-i", picture, "-re", "-f", "lavfi", "-i", sound,
		"-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
		"-pix_fmt", "yuv420p", "-b:v", "1500k", "-g", "60",
		"-x264-params", "aud=1:slices=4:sliced-threads=0:pic-struct=1:scenecut=0:repeat-headers=1",
		"-payload_type", "96", "-start_time_realtime", zero, "-f", "rtp", "rtp://" + video + "?pkt_size=1150",
		"-map", "1:a", "-c:a", "libopus", "-b:a", "64k", "-ac", "2", "-application", "lowdelay", "-frame_duration", "20",
		"-payload_type", "111", "-start_time_realtime", zero, "-f", "rtp", "rtp://" + audio + "?pkt_size=1150",
	}
}

// StartFFmpeg has such a studio send to the relay.
func (w *World) StartFFmpeg(name string) error {
	program, err := Find("ffmpeg")
	if err != nil {
		return err
	}
	w.studio, err = StartProcess(w.Dir, name, FFmpegStudio(program, w.primary.Video, w.primary.Audio, time.Now())...)
	return err
}

// LiveVerdict is what a live stream looked and sounded like.
type LiveVerdict struct {
	Frames, Moving int
	LongestStill   float64 // ms between two frames that differ
	Tones          int
	WorstTone      float64   // Hz away from the tone
	Skews          []float64 // beep minus flash in ms, sorted
	Believed       []float64 // picture minus sound by the browser's own statistics, sorted
	Unpaired       int       // flashes without a beep near them
}

// JudgeLive looks at what came after from.
func JudgeLive(l *LiveLog, from float64) *LiveVerdict {
	var v LiveVerdict
	moved := 0.0
	for _, f := range l.Frames {
		if f.At < from {
			continue
		}
		v.Frames++
		if f.Changed == 0 {
			continue
		}
		v.Moving++
		if moved > 0 {
			v.LongestStill = max(v.LongestStill, f.At-moved)
		}
		moved = f.At
	}
	for _, t := range l.Tones {
		if t.At >= from {
			v.Tones++
			v.WorstTone = max(v.WorstTone, math.Abs(t.Hz-ToneHz))
		}
	}
	for _, f := range l.Flashes {
		if f.At < from {
			continue
		}
		best := math.Inf(1)
		for _, b := range l.Beeps {
			if d := b.At - f.At; math.Abs(d) < math.Abs(best) {
				best = d
			}
		}
		if math.Abs(best) > 400 {
			v.Unpaired++
			continue
		}
		v.Skews = append(v.Skews, best)
	}
	for _, s := range l.Skews {
		v.Believed = append(v.Believed, s.MS)
	}
	slices.Sort(v.Skews)
	slices.Sort(v.Believed)
	return &v
}

// P95 is the 95th percentile of the distance between beep and flash, in ms.
func (v *LiveVerdict) P95() float64 {
	distances := make([]float64, len(v.Skews))
	for i, s := range v.Skews {
		distances[i] = math.Abs(s)
	}
	slices.Sort(distances)
	return quantile(distances, 0.95)
}

// quantile of sorted values by nearest rank; the zero value if there are none.
func quantile[T cmp.Ordered](sorted []T, q float64) (value T) {
	if n := len(sorted); n > 0 {
		value = sorted[max(0, int(math.Ceil(q*float64(n)))-1)]
	}
	return value
}

// String is the verdict on one line.
func (v *LiveVerdict) String() string {
	return fmt.Sprintf("%d frames, %d moving, still for %.0f ms at most; tone within %.1f Hz of %d; beep - flash %+.0f ms [%+.0f to %+.0f], p95 %.0f ms of %d; the browser's own estimate %+.0f ms",
		v.Frames, v.Moving, v.LongestStill, v.WorstTone, ToneHz,
		quantile(v.Skews, 0.5), quantile(v.Skews, 0), quantile(v.Skews, 1), v.P95(), len(v.Skews), quantile(v.Believed, 0.5))
}
