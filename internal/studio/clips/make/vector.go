package main

import "math"

// vec is a point, a direction or a linear RGB colour. Lengths are in radii of
// the wheel; z is up and the wheel's axis.
type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec            { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec            { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) mul(k float64) vec        { return vec{a.x * k, a.y * k, a.z * k} }
func (a vec) dot(b vec) float64        { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) length() float64          { return math.Sqrt(a.dot(a)) }
func (a vec) unit() vec                { return a.mul(1 / a.length()) }
func (a vec) mix(b vec, t float64) vec { return a.mul(1 - t).add(b.mul(t)) }

func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}

func smoothstep(from, to, x float64) float64 {
	t := min(1, max(0, (x-from)/(to-from)))
	return t * t * (3 - 2*t)
}

// wrap returns an angle in (-pi, pi].
func wrap(a float64) float64 { return math.Remainder(a, 2*math.Pi) }
