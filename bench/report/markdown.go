package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/framelock/relay/bench/measure"
)

// Line is a row for somebody who waits for the next.
func Line(r Row) string {
	s := fmt.Sprintf("%-13s %-6s %4d viewers", r.Server, r.Input, r.Viewers)
	if r.Streams > 1 {
		s += fmt.Sprintf(" x %d streams", r.Streams)
	}
	if r.Delivered > 0 {
		s += fmt.Sprintf("  %6.2f us/packet  %5.0f KiB/viewer", r.CPU, r.RSS)
	}
	if r.Repaired > 0 {
		s += fmt.Sprintf("  %d of %d repaired", r.Repaired, r.Delivered)
	}
	if l := r.Latency; l != nil {
		s += fmt.Sprintf("  latency %.2f / %.1f / %.1f ms", l.P50, l.P99, l.P999)
	}
	s += fmt.Sprintf("  (cores: server %.2f, load %.2f, others %.2f)", r.Cores, r.Load, r.Others)
	if r.Fault != "" {
		s += "  NOT GOOD: " + r.Fault
	}
	return s
}

// Markdown is the figures as tables; chart is the path of the chart, if there is one.
func Markdown(r *Result, chart string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d processors, Linux %s, %s, video packets of %d bytes. Medians, with least and most in brackets.\n", r.Processors, r.Kernel, r.Go, r.Size)
	if r.Relay != "" {
		fmt.Fprintf(&b, "The relay: %s.\n", r.Relay)
	}
	if chart != "" {
		fmt.Fprintf(&b, "\n![CPU per packet against viewers](%s)\n", chart)
	}
	for _, input := range r.inputs() {
		r.table(&b, input)
	}
	r.events(&b)
	r.joins(&b)
	return b.String()
}

func (r *Result) inputs() []string {
	var all []string
	for _, s := range r.Settings() {
		if !slices.Contains(all, s.Input) {
			all = append(all, s.Input)
		}
	}
	return all
}

// table is everything about one kind of input.
func (r *Result) table(b *strings.Builder, input string) {
	fmt.Fprintf(b, "\n### Input: %s\n\n", input)
	b.WriteString("| viewers | server | CPU us/packet | x floor | RSS KiB/viewer | latency p50 ms | p99 | p99.9 | load, cores | good rows |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, setting := range r.Settings() {
		if setting.Input != input {
			continue
		}
		base := r.floor(setting)
		for _, server := range r.Servers() {
			s, ok := r.Summarize(server, setting)
			if !ok {
				continue
			}
			viewers := fmt.Sprint(setting.Viewers)
			if setting.Streams > 1 {
				viewers = fmt.Sprintf("%d x %d", setting.Streams, setting.Viewers)
			}
			if s.Good == 0 {
				fmt.Fprintf(b, "| %s | %s | %s |||||||%d of %d |\n", viewers, Titles[server], s.Fault, s.Good, s.Bad)
				continue
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %.2f | %d of %d |\n", viewers, Titles[server],
				spread(s.CPU, 2), ratio(s.CPU.Median, base), spread(s.RSS, 0),
				latencyCell(s, s.P50, 2), latencyCell(s, s.P99, 1), latencyCell(s, s.P999, 1), s.Load.Median, s.Good, s.Good+s.Bad)
		}
	}
}

// floor is the cost of the cheaper floor in a setting, or 0.
func (r *Result) floor(setting Setting) float64 {
	least := 0.0
	for _, server := range []string{Floor, FloorSingle} {
		if s, _ := r.Summarize(server, setting); s.Good > 0 && (least == 0 || s.CPU.Median < least) {
			least = s.CPU.Median
		}
	}
	return least
}

func latencyCell(s Summary, v measure.Spread, digits int) string {
	if !s.Latency {
		return ""
	}
	return spread(v, digits)
}

func spread(s measure.Spread, digits int) string {
	if s.Min == s.Max {
		return fmt.Sprintf("%.*f", digits, s.Median)
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.Median, digits, s.Min, digits, s.Max)
}

func ratio(v, of float64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v/of)
}

func (r *Result) events(b *strings.Builder) {
	if len(r.Events) == 0 {
		return
	}
	b.WriteString("\n### Events\n\n| events/s | viewers | by | CPU us/packet, all included | server, cores | CPU us per event and viewer | good rows |\n|---|---|---|---|---|---|---|\n")
	for _, e := range r.eventSummaries() {
		by := "media alone"
		if e.channels {
			by = "media and channels"
		}
		each := ""
		if e.rate > 0 {
			each = fmt.Sprintf("%.0f", e.each)
		}
		fmt.Fprintf(b, "| %g | %d | %s | %s | %s | %s | %d |\n", e.rate, e.viewers, by, spread(e.cpu, 2), spread(e.cores, 3), each, e.good)
	}
}

// eventSummary is all good measurements with one rate of events.
type eventSummary struct {
	rate       float64
	viewers    int
	channels   bool
	cpu, cores measure.Spread
	each       float64 // us per event and viewer above what the media cost without events
	good       int
}

func (r *Result) eventSummaries() []eventSummary {
	var all []eventSummary
	type key struct {
		rate     float64
		channels bool
	}
	done := map[key]bool{}
	quiet := map[bool]float64{} // cores without events
	for _, e := range r.Events {
		k := key{e.Rate, e.Channels}
		if done[k] {
			continue
		}
		done[k] = true
		s := eventSummary{rate: e.Rate, viewers: e.Viewers, channels: e.Channels}
		var cpu, cores []float64
		for _, o := range r.Events {
			if o.Rate == e.Rate && o.Channels == e.Channels && o.Fault == "" {
				cpu, cores = append(cpu, o.CPU), append(cores, o.Cores)
			}
		}
		s.cpu, s.cores, s.good = measure.SpreadOf(cpu), measure.SpreadOf(cores), len(cpu)
		if e.Rate == 0 {
			quiet[e.Channels] = s.cores.Median
		} else {
			s.each = (s.cores.Median - quiet[e.Channels]) * 1e6 / e.Rate / float64(e.Viewers)
		}
		all = append(all, s)
	}
	return all
}

func (r *Result) joins(b *strings.Builder) {
	var rate, each, load, busy []float64
	faults := 0
	for _, j := range r.Joins {
		if j.Fault != "" {
			faults++
			continue
		}
		rate, each = append(rate, float64(j.Joined)/j.Seconds), append(each, j.CPUMillis)
		load, busy = append(load, j.Load), append(busy, 100*j.Busy)
	}
	if len(r.Joins) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Joins\n\n%d viewers join while %d watch, who lose nothing in %d of %d measurements: %s joins/s with the load generator on the same machine (%s cores of its own, all processors %s%% busy), and %s ms of the relay's CPU for each.\n",
		r.Joins[0].Joined, r.Joins[0].Watching, len(rate), len(rate)+faults,
		spread(measure.SpreadOf(rate), 0), spread(measure.SpreadOf(load), 2), spread(measure.SpreadOf(busy), 0), spread(measure.SpreadOf(each), 2))
}
