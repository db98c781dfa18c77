package timeline

import (
	"testing"
	"time"
)

func timecode(t testing.TB, s string) Timecode {
	t.Helper()
	c, ok := ParseTimecode(s)
	if !ok {
		t.Fatalf("%q is not read", s)
	}
	return c
}

func TestParseTimecode(t *testing.T) {
	for s, want := range map[string]Timecode{
		"10:11:12:13":  {10, 11, 12, 13, false},
		"10:11:12;13":  {10, 11, 12, 13, true},
		"00:00:00:00":  {},
		"23:59:59:255": {23, 59, 59, 255, false},
	} {
		if got, ok := ParseTimecode(s); !ok || got != want || got.String() != s {
			t.Errorf("%q: %+v (%s), %v", s, got, got, ok)
		}
	}
	for _, s := range []string{
		"", "10:11:12", "10:11:12:1", "24:00:00:00", "10:60:00:00", "10:00:60:00", "10:00:00:256", "1:00:00:000",
		"10;11:12:13", "10:11:12.13", "-1:00:00:00", "+1:00:00:00", "10:11:12:13 ", "10:11:12:1x", "１0:11:12",
	} {
		if got, ok := ParseTimecode(s); ok || got != (Timecode{}) {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

// coded are frames at 30 fps with the given labels; "" has none.
func coded(t *testing.T, labels ...string) *Frames {
	f := NewFrames(64, time.Minute)
	for i, s := range labels {
		fr := Frame{TS: uint64(i+1) * 3000, Accepted: time.Unix(0, 0).Add(time.Duration(i) * 33 * time.Millisecond)}
		if s != "" {
			fr.Timecode, fr.HasTimecode = timecode(t, s), true
		}
		f.Add(fr)
	}
	return f
}

func TestFindTimecode(t *testing.T) {
	plain := []string{"10:00:00:28", "10:00:00:29", "10:00:01:00", "", "10:00:01:02"}
	midnight := []string{"23:59:59:28", "23:59:59:29", "00:00:00:00", "00:00:00:01"}
	for _, test := range []struct {
		name    string
		frames  []string
		at      string
		ts      uint64 // 0: none
		verdict Verdict
	}{
		{"the oldest", plain, "10:00:00:28", 3000, Found},
		{"the newest", plain, "10:00:01:02", 15000, Found},
		{"over the second", plain, "10:00:01:00", 9000, Found},
		{"that is missing", plain, "10:00:01:01", 15000, Found},
		{"the next", plain, "10:00:01:03", 0, Pending},
		{"at the horizon", plain, "10:00:11:02", 0, Pending},
		{"beyond it", plain, "10:00:11:03", 0, TooFar},
		{"half a day ahead", plain, "21:59:00:00", 0, TooFar},
		{"before all", plain, "10:00:00:27", 0, TooOld},
		{"half a day ago", plain, "22:00:02:00", 0, TooOld},
		{"drop-frame where they are not", plain, "10:00:01;00", 0, OtherCount},
		{"where none is carried", []string{"", ""}, "10:00:00:00", 0, NotCarried},
		{"midnight", midnight, "00:00:00:00", 9000, Found},
		{"before midnight", midnight, "23:59:59:29", 6000, Found},
		{"ahead, over midnight", midnight[:2], "00:00:01:00", 0, Pending},
		{"long before midnight", midnight, "23:59:49:00", 0, TooOld},
		{"skipped by drop-frame", []string{"10:00:59;29", "10:01:00;02"}, "10:01:00;00", 6000, Found},
		{"one label for two frames", []string{"10:00:00:00", "10:00:00:01", "10:00:00:01", "10:00:00:02"}, "10:00:00:01", 6000, Found},
		{"a generator that was set back", []string{"10:00:00:00", "10:00:00:01", "10:00:00:00", "10:00:00:01"}, "10:00:00:00", 9000, Found},
		{"in the count before it was set back", []string{"10:00:00:00", "10:00:00:01", "09:00:00:00"}, "10:00:00:01", 6000, Found},
		{"in the count that has ended", []string{"10:00:00:00", "10:00:00:01", "09:00:00:00"}, "10:00:00:02", 0, TooFar},
	} {
		c := timecode(t, test.at)
		fr, verdict := coded(t, test.frames...).Find(Target{Timecode: &c}, time.Second/30)
		if verdict != test.verdict || (fr == nil) != (test.ts == 0) || fr != nil && fr.TS != test.ts {
			t.Errorf("%s: %+v, %v; want %d, %v", test.name, fr, verdict, test.ts, test.verdict)
		}
	}
}

func TestMatchesTimecode(t *testing.T) {
	c := timecode(t, "23:59:59:28")
	for s, want := range map[string]bool{
		"23:59:59:27": false, "23:59:59:28": true, "23:59:59:29": true, "00:00:09:28": true, "00:00:09:29": false,
		"12:00:00:00": false, "23:59:59;28": false,
	} {
		fr := Frame{Stamps: Stamps{Timecode: timecode(t, s), HasTimecode: true}}
		if got := (Target{Timecode: &c}).Matches(&fr, time.Second/30); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if (Target{Timecode: &c}).Matches(&Frame{}, time.Second/30) {
		t.Error("a frame without a timecode matches")
	}
}

func TestFindSEITime(t *testing.T) {
	f := NewFrames(64, time.Minute)
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i := range 4 {
		f.Add(Frame{TS: uint64(i+1) * 3000, Stamps: Stamps{SEITime: start.Add(time.Duration(i) * 40 * time.Millisecond)}})
	}
	for _, test := range []struct {
		at      time.Duration
		ts      uint64
		verdict Verdict
	}{
		{0, 3000, Found}, {time.Microsecond, 6000, Found}, {120 * time.Millisecond, 12000, Found},
		{121 * time.Millisecond, 0, Pending}, {11 * time.Second, 0, TooFar}, {-time.Microsecond, 0, TooOld},
	} {
		fr, verdict := f.Find(Target{SEITime: start.Add(test.at)}, 40*time.Millisecond)
		if verdict != test.verdict || (fr == nil) != (test.ts == 0) || fr != nil && fr.TS != test.ts {
			t.Errorf("%v: %+v, %v; want %d, %v", test.at, fr, verdict, test.ts, test.verdict)
		}
	}
}
