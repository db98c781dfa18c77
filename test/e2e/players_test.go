package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/framelock/relay/internal/barcode"
)

// A player that is not ours and knows nothing of Framelock plays in a browser: the
// numbers in its pictures move on, and the tone has its pitch.
func TestStockPlayer(t *testing.T) {
	c := begin(t, 3*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.must(c.bundlePage("whep"))
	c.open("/e2e/whep.html?stream="+w.Stream, 800, 600)
	c.must(c.browser.Wait(`window.whep?.log.bars.length > 0 && whep.log.tones.length > 8`, 20*time.Second))
	var from float64
	c.must(c.browser.Evaluate(`performance.now()`, &from))
	span := time.Duration(ofFull(60, 10)) * time.Second
	c.must(c.browser.Wait(fmt.Sprintf(`performance.now() > %f`, from+float64(span.Milliseconds())), span+10*time.Second))
	var l struct {
		Bars []struct {
			At  float64
			Bar int64
		}
		Unreadable int
		Tones      []struct{ At, Hz float64 }
		Messages   []string
	}
	c.must(c.browser.Evaluate(`whep.log`, &l))
	c.keep("whep.json", l)
	var bars []int64
	for _, b := range l.Bars {
		if b.At >= from {
			bars = append(bars, b.Bar)
		}
	}
	var hz []float64
	for _, s := range l.Tones {
		if s.At >= from {
			hz = append(hz, s.Hz)
		}
	}
	c.checkPlayed(span, bars, l.Unreadable, hz)
	if len(l.Messages) > 0 {
		c.Errorf("the player says %v", l.Messages)
	}
}

// bundlePage builds a page's script with what it imports, and has the page served
// from there.
func (c *scenario) bundlePage(name string) error {
	page, err := filepath.Abs("page")
	if err != nil {
		return err
	}
	modules, err := filepath.Abs("../../web/node_modules")
	if err != nil {
		return err
	}
	c.pages = filepath.Join(c.dir, "page")
	cmd := []string{
		filepath.Join(modules, ".bin", "esbuild"), filepath.Join(page, name+".mjs"), "--bundle", "--format=esm", "--log-level=error",
		"--alias:@eyevinn/webrtc-player=" + filepath.Join(modules, "@eyevinn/webrtc-player"), "--outfile=" + filepath.Join(c.pages, name+".js"),
	}
	if _, err := Output(c.ctx, cmd...); err != nil {
		return err
	}
	html, err := os.ReadFile(filepath.Join(page, name+".html"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.pages, name+".html"), html, 0o600)
}

// GStreamer plays, by the script that operators are given.
func TestGStreamer(t *testing.T) {
	for _, bundle := range []string{"max-bundle", "none"} {
		t.Run(bundle, func(t *testing.T) { gstreamer(t, bundle) })
	}
}

func gstreamer(t *testing.T, bundle string) {
	c := begin(t, 3*time.Minute, "gst-inspect-1.0")
	for _, element := range []string{"webrtcbin", "nicesrc", "avdec_h264", "opusdec"} {
		if _, err := Output(c.ctx, "gst-inspect-1.0", element); err != nil {
			c.Skipf("GStreamer has no %s: run tools/setup-test", element)
		}
	}
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	picture, sound := filepath.Join(w.Dir, "picture.raw"), filepath.Join(w.Dir, "sound.raw")
	span := time.Duration(ofFull(60, 10)) * time.Second
	begun := span + 3*time.Second // joining takes a part of it
	_, err := Output(c.ctx, "../../deploy/gstreamer/play.py", w.URL("/whep/"+w.Stream), "--bundle", bundle,
		"--seconds", strconv.FormatFloat(begun.Seconds(), 'f', 0, 64),
		"--video", "videocrop top=344 ! video/x-raw,format=GRAY8 ! filesink location="+picture,
		"--audio", "audio/x-raw,format=S16LE,channels=1,rate=48000 ! filesink location="+sound)
	c.must(err)

	luma, err := os.ReadFile(picture)
	c.must(err)
	const width, height = 640, 16
	var bars []int64
	unreadable := 0
	for ; len(luma) >= width*height; luma = luma[width*height:] {
		if bar, ok := barcode.Read(luma, width, width, height); ok {
			bars = append(bars, int64(bar))
		} else {
			unreadable++
		}
	}
	if bundle == "none" { // one transport: the video
		if _, err := os.Stat(sound); err == nil {
			c.Error("there is sound, although the offer was not bundled")
		}
		c.checkPicture(span, bars, unreadable)
		return
	}
	samples, err := os.ReadFile(sound)
	c.must(err)
	c.checkPlayed(span, bars, unreadable, pitches(samples))
}

// pitches returns the frequency in each quarter of a second of 16-bit sound at 48
// kHz: of a plain tone, half the changes of sign.
func pitches(sound []byte) []float64 {
	const window = 12000
	var samples []int16
	for b := range slices.Chunk(sound[:len(sound)&^1], 2) {
		samples = append(samples, int16(binary.LittleEndian.Uint16(b)))
	}
	var hz []float64
	for w := range slices.Chunk(samples, window) {
		changes := 0
		for i := 1; i < len(w); i++ {
			if (w[i] < 0) != (w[i-1] < 0) {
				changes++
			}
		}
		if len(w) == window {
			hz = append(hz, float64(changes)/2*48000/window)
		}
	}
	return hz
}

// checkPlayed holds what a player showed and sounded for a time against what the
// studio sends: 30 numbered pictures a second and a tone.
func (c *scenario) checkPlayed(span time.Duration, bars []int64, unreadable int, hz []float64) {
	c.Helper()
	c.checkPicture(span, bars, unreadable)
	off := 0
	for _, f := range hz {
		if math.Abs(f-ToneHz) > 8 {
			off++
		}
	}
	c.figure("tone in %d of %d samples", len(hz)-off, len(hz))
	if want := int(span.Seconds()) * 3; len(hz)-off < want || off > len(hz)/10 {
		c.Errorf("%d of %d samples have the tone of %d Hz, want %d at least and nine of ten", len(hz)-off, len(hz), ToneHz, want)
	}
}

func (c *scenario) checkPicture(span time.Duration, bars []int64, unreadable int) {
	c.Helper()
	different, back := 0, 0
	for i := 1; i < len(bars); i++ {
		if bars[i] > bars[i-1] {
			different++
		} else if bars[i] < bars[i-1] {
			back++
		}
	}
	c.figure("%v: %d pictures, %d of them new, %d unreadable", span, len(bars)+unreadable, different, unreadable)
	if want := int(span.Seconds()) * 30 * 9 / 10; different < want {
		c.Errorf("the number in the picture moved on %d times, want %d at least", different, want)
	}
	if back > 0 {
		c.Errorf("the number in the picture went back %d times", back)
	}
	if unreadable*20 > len(bars) {
		c.Errorf("%d pictures of %d have no number", unreadable, len(bars)+unreadable)
	}
}

func TestPitches(t *testing.T) {
	var b bytes.Buffer
	for i := range 24000 {
		v := int16(8000 * math.Sin(2*math.Pi*440*float64(i)/48000))
		if i >= 12000 {
			v = 0
		}
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	if hz := pitches(b.Bytes()); len(hz) != 2 || math.Abs(hz[0]-440) > 3 || hz[1] != 0 {
		t.Errorf("got %v, want about 440 and silence", hz)
	}
}
