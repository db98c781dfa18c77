package report

import (
	"fmt"
	"math"
	"strings"
)

// The chart's place on its canvas, in pixels.
const (
	chartWidth, chartHeight = 760, 420
	plotLeft, plotTop       = 60, 20
	plotRight, plotBottom   = 540, 370
)

// colours of the servers' lines; readable on white and on a dark page.
var colours = map[string]string{
	Floor: "#888888", FloorSingle: "#bbbbbb", Relay: "#0a7f3f", Pion: "#d9730d", PionDefault: "#b3261e",
}

// point is a server's cost with a number of viewers.
type point struct {
	viewers int
	cost    float64
}

// Chart draws the cost per packet against the number of viewers, one line for each
// server, as SVG. The viewers are on a logarithmic scale. Without good
// rows it is empty.
func Chart(r *Result, input string) string {
	lines := map[string][]point{}
	minN, maxN, maxCost := math.MaxInt, 0, 0.0
	for _, setting := range r.Settings() {
		for _, server := range r.Servers() {
			s, ok := r.Summarize(server, setting)
			if setting.Input != input || !ok || s.Good == 0 {
				continue
			}
			n := setting.Viewers * setting.Streams
			lines[server] = append(lines[server], point{n, s.CPU.Median})
			minN, maxN, maxCost = min(minN, n), max(maxN, n), max(maxCost, s.CPU.Median)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	x := func(n int) float64 {
		if minN == maxN {
			return (plotLeft + plotRight) / 2
		}
		return plotLeft + (plotRight-plotLeft)*math.Log(float64(n)/float64(minN))/math.Log(float64(maxN)/float64(minN))
	}
	top := tidy(maxCost)
	y := func(cost float64) float64 { return plotBottom - (plotBottom-plotTop)*cost/top }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", chartWidth, chartHeight)
	axes(&b, r, input, x, y, top)
	row := 0
	for _, server := range r.Servers() {
		points := lines[server]
		if len(points) == 0 {
			continue
		}
		drawLine(&b, points, colours[server], x, y)
		at := plotTop + 10 + 22*row
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="3"/>`+"\n", plotRight+14, at, plotRight+32, at, colours[server])
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="11">%s</text>`+"\n", plotRight+38, at+4, Titles[server])
		row++
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func axes(b *strings.Builder, r *Result, input string, x func(int) float64, y func(float64) float64, top float64) {
	const lines = 5
	for i := range lines + 1 {
		cost := top * float64(i) / lines
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			plotLeft, y(cost), plotRight, y(cost), plotLeft-6, y(cost)+4, cost)
	}
	drawn := map[int]bool{}
	for _, s := range r.Settings() {
		if n := s.Viewers * s.Streams; s.Input == input && !drawn[n] {
			drawn[n] = true
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(n), plotBottom+18, n)
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">viewers (logarithmic); input %s</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+38, input)
	fmt.Fprintf(b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">CPU per packet delivered, us</text>`+"\n", (plotTop+plotBottom)/2)
}

func drawLine(b *strings.Builder, points []point, colour string, x func(int) float64, y func(float64) float64) {
	var at []string
	for _, p := range points {
		at = append(at, fmt.Sprintf("%.1f,%.1f", x(p.viewers), y(p.cost)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(p.viewers), y(p.cost), colour)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(at, " "), colour)
}

// tidy returns the least of 1, 2 and 5 times a power of ten that is not below v.
func tidy(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}
