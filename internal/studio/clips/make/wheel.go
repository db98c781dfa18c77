package main

import "math"

// ring is a part of the wheel: a cone between two circles around the axis.
type ring struct {
	outer, inner         float64 // radii
	outerHigh, innerHigh float64 // heights at those radii
	part                 part
}

type part int

const (
	lip part = iota
	track
	edge
	numbers
	seats
	hub
	spire
)

// rings is the wheel's profile from the outside in.
var rings = []ring{
	{1.03, 1.00, 0.03, 0.115, lip},
	{1.00, 0.93, 0.115, 0.125, lip},
	{0.93, 0.915, 0.125, 0.10, edge},
	{0.915, 0.775, 0.10, 0.035, track},
	{0.775, 0.762, 0.035, 0.036, edge},
	{0.762, 0.615, 0.03, 0.012, numbers},
	{0.615, 0.605, 0.012, 0.012, edge},
	{0.605, 0.475, -0.012, -0.028, seats},
	{0.475, 0.462, 0.0, 0.006, edge},
	{0.462, 0.13, 0.006, 0.085, hub},
	{0.13, 0.11, 0.085, 0.10, edge},
	{0.11, 0.045, 0.10, 0.15, spire},
	{0.045, 0.03, 0.15, 0.21, spire},
}

const tableHeight = -0.02

// surfaceHeight returns the wheel's height at a distance from the axis.
func surfaceHeight(radius float64) float64 {
	for _, r := range rings {
		if radius <= r.outer && radius >= r.inner {
			t := (radius - r.inner) / (r.outer - r.inner)
			return r.innerHigh + t*(r.outerHigh-r.innerHigh)
		}
	}
	return rings[len(rings)-1].innerHigh
}

type surface struct {
	ring   ring
	normal vec
}

// wheelHit returns the distance to the nearest ring, infinite if there is none.
func wheelHit(eye, ray vec) (float64, surface) {
	best, at := math.Inf(1), surface{}
	if ray.z >= 0 {
		return best, at
	}
	// Rays that stay outside the rim at the height of the table miss.
	if low := eye.add(ray.mul((tableHeight - eye.z) / ray.z)); math.Hypot(low.x, low.y) > 1.2 {
		return best, at
	}
	for _, r := range rings {
		if d, n, ok := r.hit(eye, ray); ok && d < best {
			best, at = d, surface{r, n}
		}
	}
	return best, at
}

// hit intersects the cone |xy| = inner + k*(z - innerHigh), or a flat ring.
func (r ring) hit(eye, ray vec) (float64, vec, bool) {
	rise := r.outerHigh - r.innerHigh
	if math.Abs(rise) < 1e-9 {
		d := (r.innerHigh - eye.z) / ray.z
		p := eye.add(ray.mul(d))
		rad := math.Hypot(p.x, p.y)
		return d, vec{0, 0, 1}, d > 0 && rad <= r.outer && rad >= r.inner
	}
	k := (r.outer - r.inner) / rise
	base := r.inner + k*(eye.z-r.innerHigh)
	a := ray.x*ray.x + ray.y*ray.y - k*k*ray.z*ray.z
	b := eye.x*ray.x + eye.y*ray.y - base*k*ray.z
	c := eye.x*eye.x + eye.y*eye.y - base*base
	disc := b*b - a*c
	if disc < 0 {
		return 0, vec{}, false
	}
	root := math.Sqrt(disc)
	best, normal, found := math.Inf(1), vec{}, false
	for _, d := range [...]float64{(-b - root) / a, (-b + root) / a} {
		p := eye.add(ray.mul(d))
		rad := math.Hypot(p.x, p.y)
		if d <= 0 || d >= best || rad > r.outer || rad < r.inner || base+k*d*ray.z < 0 {
			continue
		}
		slope := 1 / k // dz/dr
		best, found = d, true
		normal = vec{-slope * p.x / rad, -slope * p.y / rad, 1}.unit()
	}
	return best, normal, found
}

// armHit intersects the four arms and knobs of the turret, which turn with the
// wheel.
func armHit(eye, ray vec, rotor float64) (float64, vec, material, bool) {
	best, normal, found := math.Inf(1), vec{}, false
	try := func(centre vec, radius float64) {
		if d, ok := sphereHit(eye, ray, centre, radius); ok && d < best {
			best, found = d, true
			normal = eye.add(ray.mul(d)).sub(centre).mul(1 / radius)
		}
	}
	if _, near := sphereHit(eye, ray, vec{0, 0, 0.19}, 0.26); !near {
		return 0, vec{}, material{}, false
	}
	try(vec{0, 0, 0.235}, 0.042)
	for i := range 4 {
		sin, cos := math.Sincos(rotor + math.Pi/4 + float64(i)*math.Pi/2)
		tip := vec{0.19 * cos, 0.19 * sin, 0.185}
		try(tip, 0.026)
		if d, n, ok := capsuleHit(eye, ray, vec{0, 0, 0.175}, tip, 0.011); ok && d < best {
			best, normal, found = d, n, true
		}
	}
	return best, normal, gold, found
}

// capsuleHit intersects a rod with round ends.
func capsuleHit(eye, ray, a, b vec, radius float64) (float64, vec, bool) {
	ba, oa := b.sub(a), eye.sub(a)
	baba, bard, baoa := ba.dot(ba), ba.dot(ray), ba.dot(oa)
	rdoa, oaoa := ray.dot(oa), oa.dot(oa)
	qa := baba - bard*bard
	qb := baba*rdoa - baoa*bard
	qc := baba*oaoa - baoa*baoa - radius*radius*baba
	disc := qb*qb - qa*qc
	if disc < 0 {
		return 0, vec{}, false
	}
	d := (-qb - math.Sqrt(disc)) / qa
	y := baoa + d*bard
	if y < 0 || y > baba {
		return 0, vec{}, false
	}
	p := oa.add(ray.mul(d))
	return d, p.sub(ba.mul(y / baba)).mul(1 / radius), true
}
