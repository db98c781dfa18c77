package main

import "math"

// material says how a surface answers to light. Colours are linear RGB.
type material struct {
	colour   vec
	gloss    float64 // strength of the highlight
	hardness float64 // exponent of the highlight
	metal    float64 // 0 to 1: how much of the colour is reflection of the room
}

var (
	gold     = material{vec{0.83, 0.53, 0.18}, 1.3, 60, 0.8}
	ivory    = material{vec{0.92, 0.9, 0.84}, 1.0, 70, 0}
	mahogany = material{vec{0.070, 0.017, 0.007}, 0.22, 90, 0}
	walnut   = material{vec{0.026, 0.0095, 0.005}, 0.2, 90, 0}
	red      = material{vec{0.42, 0.012, 0.016}, 0.25, 40, 0}
	black    = material{vec{0.010, 0.010, 0.012}, 0.3, 40, 0}
	green    = material{vec{0.01, 0.22, 0.06}, 0.25, 40, 0}
)

var (
	lamp = vec{-0.42, 0.34, 0.84}.unit() // direction of the key light
	fill = vec{0.65, -0.25, 0.7}.unit()
)

// light shades a point of a material. ambient scales the light of the room.
func light(m material, p, n, ray vec, at pose, ambient float64) vec {
	key := max(0, n.dot(lamp)) * (1 - ballShadow(p, at))
	soft := max(0, n.dot(fill)) * 0.28
	mirror := ray.sub(n.mul(2 * n.dot(ray)))
	shine := math.Pow(max(0, mirror.dot(lamp)), m.hardness)*1.1 + math.Pow(max(0, mirror.dot(fill)), m.hardness)*0.35
	// The room: a bright band above, dark below.
	room := smoothstep(0.1, 0.95, mirror.z)*0.55 + 0.25*smoothstep(0.3, 0.0, math.Abs(mirror.x+0.3))
	diffuse := (1.5*key + soft + 0.16*ambient) * (1 - 0.6*m.metal)
	c := m.colour.mul(diffuse + m.metal*room*1.25*ambient)
	white := vec{1, 0.97, 0.9}.mix(m.colour, m.metal*0.7)
	return c.add(white.mul(shine * m.gloss))
}

// ballShadow returns how much of the key light the ball takes from a point.
func ballShadow(p vec, at pose) float64 {
	if at.opacity == 0 {
		return 0
	}
	to := at.ball.sub(p)
	along := to.dot(lamp)
	if along <= 0 {
		return 0
	}
	off := to.sub(lamp.mul(along)).length()
	return 0.8 * at.opacity * (1 - smoothstep(ballRadius*0.55, ballRadius*1.35, off))
}

// tableColour is the cloth around the wheel: a pool of light and the wheel's
// shadow.
func tableColour(p vec) vec {
	pool := 1 - smoothstep(0.9, 2.1, math.Hypot(p.x+0.15, p.y-0.1))
	shadow := smoothstep(0.98, 1.32, math.Hypot(p.x-0.06, p.y+0.05))
	return vec{0.004, 0.021, 0.021}.mul(pool*(0.2+0.8*shadow) + 0.04)
}

var labels = func() (all [pockets]*label) {
	for i, n := range order {
		all[i] = newLabel(n)
	}
	return all
}()

// shade colours a point of the wheel.
func shade(p vec, s surface, ray vec, at pose) vec {
	radius, angle := math.Hypot(p.x, p.y), math.Atan2(p.y, p.x)
	m, n, ambient := mahogany, s.normal, 1.0
	switch s.ring.part {
	case edge, spire:
		m = gold
	case lip:
		m = wood(mahogany, angle*9, radius*40)
	case track:
		m = wood(walnut, angle*5, radius*60)
		ambient = smoothstep(0.93, 0.86, radius)*0.7 + 0.3
		if bump, ok := diamond(radius, angle); ok {
			m, n = gold, s.normal.add(bump).unit()
		}
	case numbers, seats:
		m, n, ambient = pocketAt(radius, wrap(angle-at.rotor), angle, s)
	case hub:
		m, n = hubAt(radius, wrap(angle-at.rotor), angle, s.normal)
	}
	c := light(m, p, n, ray, at, ambient)
	if s.ring.part == seats {
		c = c.mul(0.55 + 0.45*smoothstep(0.605, 0.56, radius))
	}
	return c
}

// wood varies a material along its grain.
func wood(m material, along, across float64) material {
	g := math.Sin(across+1.6*math.Sin(along)+0.7*math.Sin(2.3*along+across*0.31)) * 0.5
	m.colour = m.colour.mul(1 + 0.22*g)
	return m
}

// diamond says whether a point of the ball track is on one of the eight
// deflectors, and how the deflector tilts the surface there.
func diamond(radius, angle float64) (bump vec, ok bool) {
	const step = math.Pi / 4
	mid := math.Round(angle/step) * step
	across, along := (angle-mid)*radius/0.016, (radius-0.812)/0.036
	if math.Abs(across)+math.Abs(along) > 1 {
		return vec{}, false
	}
	sin, cos := math.Sincos(mid)
	tangent, radial := vec{-sin, cos, 0}, vec{cos, sin, 0}
	bump = tangent.mul(math.Copysign(0.55, across)).add(radial.mul(math.Copysign(0.35, along)))
	return bump, true
}

// pocketAt is a point of the number ring or of the pockets below it.
func pocketAt(radius, turned, angle float64, s surface) (material, vec, float64) {
	place := -turned / pocketAngle
	i := int(math.Round(place))
	off := (place - float64(i)) * pocketAngle * radius // arc from the pocket's middle, clockwise
	i = (i%pockets + pockets) % pockets
	m := black
	switch {
	case order[i] == 0:
		m = green
	case isRed(order[i]):
		m = red
	}
	half := pocketAngle * radius / 2
	fret := smoothstep(half-0.0062, half-0.0034, math.Abs(off))
	if s.ring.part == seats {
		// Frets stand up between the pockets and catch the light on their flanks.
		sin, cos := math.Sincos(angle)
		tangent := vec{sin, -cos, 0}
		n := s.normal.add(tangent.mul(fret * math.Copysign(-0.8, off))).unit()
		m.colour = m.colour.mul(0.75)
		return blend(m, gold, fret), n, 1 - 0.5*fret
	}
	const unit = 0.0098 // radii per digit unit
	ink := labels[i].ink(off/unit, (radius-0.69)/unit, 0.22)
	m = blend(m, gold, 0.8*smoothstep(half-0.0032, half-0.0018, math.Abs(off)))
	return blend(m, ivory, ink), s.normal, 1
}

// hubAt is a point of the cone in the middle: sixteen panels of two woods with
// gold inlays.
func hubAt(radius, turned, angle float64, normal vec) (material, vec) {
	const panels = 16
	step := 2 * math.Pi / panels
	k := math.Round(turned / step)
	off := math.Abs(turned-k*step) * radius
	m := wood(mahogany, radius*14, turned*30)
	if int(k)&1 != 0 {
		m = wood(walnut, radius*14, turned*30)
	}
	m.gloss = 0.2
	line := smoothstep(step*radius/2-0.0055, step*radius/2-0.003, off)
	line = max(line, smoothstep(0.006, 0.0035, math.Abs(radius-0.33)))
	return blend(m, gold, 0.9*line), normal
}

func blend(a, b material, t float64) material {
	return material{
		a.colour.mix(b.colour, t), a.gloss + t*(b.gloss-a.gloss),
		a.hardness + t*(b.hardness-a.hardness), a.metal + t*(b.metal-a.metal),
	}
}

func isRed(n int) bool {
	switch n {
	case 1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36:
		return true
	}
	return false
}
