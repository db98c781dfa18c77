package main

import (
	"math"
	"strconv"
)

type point struct{ x, y float64 }

// strokes are the centre lines of a digit's strokes in a box 4 wide and 6 high,
// the origin at the lower left.
type strokes [][]point

// arc returns points of an ellipse, from and to in degrees counter-clockwise.
func arc(cx, cy, rx, ry, from, to float64) []point {
	const steps = 14
	var p []point
	for i := range steps + 1 {
		a := (from + (to-from)*float64(i)/steps) * math.Pi / 180
		p = append(p, point{cx + rx*math.Cos(a), cy + ry*math.Sin(a)})
	}
	return p
}

var digits = [10]strokes{
	{arc(2, 3, 1.7, 3, 0, 360)},
	{{{0.8, 4.8}, {2.2, 6}, {2.2, 0}}},
	{append(arc(2, 4.3, 1.7, 1.7, 160, -35), point{0.2, 0}, point{3.9, 0})},
	{arc(1.9, 4.45, 1.55, 1.55, 150, -90), arc(1.9, 1.5, 1.8, 1.5, 90, -155)},
	{{{3, 0}, {3, 6}, {0.1, 1.8}, {4, 1.8}}},
	{append([]point{{3.5, 6}, {0.8, 6}, {0.5, 3.2}}, arc(1.9, 1.9, 1.8, 1.9, 130, -150)...)},
	{arc(2, 1.8, 1.75, 1.8, 0, 360), {{3.1, 6}, {1.5, 4.4}, {0.35, 2.4}}},
	{{{0.3, 6}, {3.8, 6}, {1.5, 0}}},
	{arc(2, 4.5, 1.45, 1.5, 0, 360), arc(2, 1.55, 1.8, 1.55, 0, 360)},
	{arc(2, 4.2, 1.75, 1.8, 0, 360), {{0.9, 0}, {2.5, 1.6}, {3.65, 3.6}}},
}

func (s strokes) distance(p point) float64 {
	best := math.Inf(1)
	for _, line := range s {
		for i := 1; i < len(line); i++ {
			best = min(best, segmentDistance(p, line[i-1], line[i]))
		}
	}
	return best
}

func segmentDistance(p, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	t := ((p.x-a.x)*dx + (p.y-a.y)*dy) / (dx*dx + dy*dy)
	t = min(1, max(0, t))
	return math.Hypot(p.x-a.x-t*dx, p.y-a.y-t*dy)
}

// label is the distance field of a printed number: samples over a square of
// side labelSpan digit units around the number's centre.
type label [labelSize * labelSize]float32

const (
	labelSize = 96
	labelSpan = 12.0
	thickness = 0.52 // half the width of a stroke
)

func newLabel(n int) *label {
	text := strconv.Itoa(n)
	width := float64(len(text))*4 + float64(len(text)-1)*1.1
	l := new(label)
	for i := range l {
		x := (float64(i%labelSize)/(labelSize-1) - 0.5) * labelSpan
		y := (float64(i/labelSize)/(labelSize-1) - 0.5) * labelSpan
		d := math.Inf(1)
		for k, c := range text {
			left := -width/2 + float64(k)*5.1
			d = min(d, digits[c-'0'].distance(point{x - left, y + 3}))
		}
		l[i] = float32(d - thickness)
	}
	return l
}

// ink returns how much of the point (in digit units from the number's centre)
// is printed, 0 to 1, softened over soft units.
func (l *label) ink(x, y, soft float64) float64 {
	fx := (x/labelSpan + 0.5) * (labelSize - 1)
	fy := (y/labelSpan + 0.5) * (labelSize - 1)
	ix, iy := int(math.Floor(fx)), int(math.Floor(fy))
	if ix < 0 || iy < 0 || ix >= labelSize-1 || iy >= labelSize-1 {
		return 0
	}
	tx, ty := fx-float64(ix), fy-float64(iy)
	at := func(x, y int) float64 { return float64(l[y*labelSize+x]) }
	d := (at(ix, iy)*(1-tx)+at(ix+1, iy)*tx)*(1-ty) + (at(ix, iy+1)*(1-tx)+at(ix+1, iy+1)*tx)*ty
	return 1 - smoothstep(-soft, soft, d)
}
