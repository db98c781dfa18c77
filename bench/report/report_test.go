package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/framelock/relay/bench/measure"
)

// sample is a run with two rounds, a row that went wrong, and a server that fails.
func sample() *Result {
	row := func(server string, viewers, round int, cpu float64) Row {
		return Row{Server: server, Input: "burst", Viewers: viewers, Streams: 1, Round: round, Delivered: 1, CPU: cpu, RSS: 100, Load: 0.5}
	}
	relay := row(Relay, 200, 1, 5)
	relay.Latency = &Latency{P50: 0.5, P99: 4, P999: 9, Samples: 1000}
	lost := row(Relay, 200, 2, 50)
	lost.Fault = "lost 3 of 1000 packets, at most 1 at one viewer"
	again := row(Relay, 200, 3, 7)
	again.Latency = &Latency{P50: 0.7, P99: 6, P999: 11, Samples: 1000}
	broken := row(PionDefault, 400, 1, 0)
	broken.Fault = "lost 9 of 1000 packets, at most 2 at one viewer"
	return &Result{
		Processors: 2, Kernel: "6.1.0", Go: "go1.26", Size: 1200, Relay: "revision 0123456789ab",
		Rows: []Row{
			row(Floor, 200, 1, 4), relay, row(Pion, 200, 1, 20), row(Floor, 400, 1, 3), row(Relay, 400, 1, 4), broken,
			row(Floor, 200, 2, 4), lost, row(Pion, 200, 2, 18), again,
		},
		Events: []Events{
			{Rate: 0, Viewers: 50, Channels: true, CPU: 5, Cores: 0.1},
			{Rate: 10, Viewers: 50, Channels: true, CPU: 9, Cores: 0.2, Events: 60, Received: 12000},
			{Rate: 10, Viewers: 50, Channels: true, CPU: 99, Cores: 0.9, Fault: "the machine was 99% busy"},
		},
		Joins: []Joins{
			{Watching: 100, Joined: 50, Seconds: 0.5, CPUMillis: 2, Load: 1},
			{Watching: 100, Joined: 50, Seconds: 1, CPUMillis: 4, Load: 1.5, Fault: "lost 1"},
		},
	}
}

var at200 = Setting{"burst", 200, 1}

func TestSummarizeLeavesFaultsOut(t *testing.T) {
	got, ok := sample().Summarize(Relay, at200)
	want := Summary{
		Server: Relay, Setting: at200, Good: 2, Bad: 1,
		CPU: measure.Spread{Median: 6, Min: 5, Max: 7}, RSS: measure.Spread{Median: 100, Min: 100, Max: 100},
		Load: measure.Spread{Median: 0.5, Min: 0.5, Max: 0.5},
		P50:  measure.Spread{Median: 0.6, Min: 0.5, Max: 0.7}, P99: measure.Spread{Median: 5, Min: 4, Max: 6},
		P999: measure.Spread{Median: 10, Min: 9, Max: 11}, Latency: true,
		Fault: "lost 3 of 1000 packets, at most 1 at one viewer",
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v (-want +got):\n%s", ok, diff)
	}
	if _, ok := sample().Summarize(PionDefault, at200); ok {
		t.Error("a server that was not measured has a summary")
	}
}

func TestMarkdown(t *testing.T) {
	text := Markdown(sample(), "images/fanout.svg")
	for _, line := range []string{
		"The relay: revision 0123456789ab.",
		"![CPU per packet against viewers](images/fanout.svg)",
		"| 200 | floor: encrypt and send, GSO | 4.00 | 1.00 | 100 |  |  |  | 0.50 | 2 of 2 |",
		"| 200 | Framelock relay | 6.00 (5.00-7.00) | 1.50 | 100 | 0.60 (0.50-0.70) | 5.0 (4.0-6.0) | 10.0 (9.0-11.0) | 0.50 | 2 of 3 |",
		"| 200 | plain pion, no interceptors | 19.00 (18.00-20.00) | 4.75 | 100 |  |  |  | 0.50 | 2 of 2 |",
		"| 400 | plain pion, default interceptors | lost 9 of 1000 packets, at most 2 at one viewer |||||||0 of 1 |",
		"| 0 | 50 | media and channels | 5.00 | 0.100 |  | 1 |",
		"| 10 | 50 | media and channels | 9.00 | 0.200 | 200 | 1 |",
		"50 viewers join while 100 watch, who lose nothing in 1 of 2 measurements: 100 joins/s",
	} {
		if !strings.Contains(text, line+"\n") && !strings.Contains(text, line+" ") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if columns := strings.Count(text, "|---|---|---|---|---|---|---|---|---|---|\n"); columns != 1 {
		t.Errorf("%d tables of rows, want 1", columns)
	}
}

func TestChartIsSVG(t *testing.T) {
	text := Chart(sample(), "burst")
	decoder, lines := xml.NewDecoder(strings.NewReader(text)), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 3 {
		t.Errorf("%d lines, want those of the 3 servers with good rows", lines)
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("a number that is none in\n%s", text)
	}
	if Chart(sample(), "spread") != "" || Chart(&Result{}, "burst") != "" {
		t.Error("a chart without rows")
	}
}

func TestCheck(t *testing.T) {
	cost := func(floor, relay, pion float64) *Result {
		r := &Result{}
		for server, cpu := range map[string]float64{Floor: floor, Relay: relay, Pion: pion} {
			r.Rows = append(r.Rows, Row{Server: server, Input: "burst", Viewers: 200, Streams: 1, CPU: cpu, Delivered: 1})
		}
		return r
	}
	lost := cost(4, 5, 18)
	for i := range lost.Rows {
		if lost.Rows[i].Server == Relay {
			lost.Rows[i].Fault = "lost 1 of 9 packets"
		}
	}
	for name, tt := range map[string]struct {
		result *Result
		want   []string // in the error
	}{
		"kept":            {cost(4, 6, 18), nil},
		"dear as pion":    {cost(10, 14, 18), []string{"0.78 times as much as pion"}},
		"far above floor": {cost(2, 7, 18), []string{"3.50 times as much as floor"}},
		"both":            {cost(2, 17, 18), []string{"as pion", "as floor"}},
		"lost":            {lost, []string{"without loss, but: lost 1 of 9 packets"}},
		"nothing":         {&Result{}, []string{"floor was not measured", "relay was not measured", "pion was not measured"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.result.Check(at200)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			for _, s := range tt.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q lacks %q", err, s)
				}
			}
		})
	}
}

func TestInsert(t *testing.T) {
	document := "before\n" + beginMark + "\nold\n" + endMark + "\nafter\n"
	got, err := Insert(document, "\nnew\n")
	want := "before\n" + beginMark + "\n\nnew\n\n" + endMark + "\nafter\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if again, err := Insert(got, "new"); err != nil || again != want {
		t.Errorf("a second time %q, %v", again, err)
	}
	for _, bad := range []string{"", "x " + endMark, beginMark + " x", endMark + beginMark} {
		if _, err := Insert(bad, "new"); err == nil {
			t.Errorf("no error for the document %q", bad)
		}
	}
}

func TestTidy(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 11: 20, 24: 50, 60: 100} {
		if got := tidy(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("tidy(%v) = %v, want %v", v, got, want)
		}
	}
}
