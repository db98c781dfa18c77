package main

import (
	"math"
	"runtime"
	"sync"

	"github.com/framelock/relay/internal/studio/clips"
)

// camera looks at the wheel from above and in front.
type camera struct {
	eye, right, up, ahead vec
	width, height         int
	scale                 float64 // image plane units per pixel
	centreY               float64 // row of the optical axis
}

// newCamera frames the wheel in a picture of width x height pixels that leaves a
// dark margin at the bottom.
func newCamera(width, height int) camera {
	eye := vec{0, -2.05, 2.75}
	ahead := vec{0, 0, -0.02}.sub(eye).unit()
	right := ahead.cross(vec{0, 0, 1}).unit()
	return camera{
		eye: eye, right: right, up: right.cross(ahead), ahead: ahead, width: width, height: height,
		scale: 0.58 / float64(height), centreY: float64(height) * 0.463,
	}
}

func (c camera) ray(x, y float64) vec {
	u, v := (x-float64(c.width)/2)*c.scale, (c.centreY-y)*c.scale
	return c.ahead.add(c.right.mul(u)).add(c.up.mul(v)).unit()
}

// render draws one frame of a clip without the bar: linear RGB, row by row.
// Each pixel is the mean of 3 x 3 rays, or 2 x 2 in large pictures.
func render(info clips.Info, frame int) []vec {
	samples := 3
	if info.Width > 1000 {
		samples = 2
	}
	width, height := info.Width, info.Height-clips.BarRows
	cam, at := newCamera(width, height), poseAt(info, frame)
	picture := make([]vec, width*height)
	rows := make(chan int, height)
	for y := range height {
		rows <- y
	}
	close(rows)
	var done sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for y := range rows {
				for x := range width {
					picture[y*width+x] = pixel(cam, at, x, y, samples)
				}
			}
		})
	}
	done.Wait()
	return picture
}

func pixel(cam camera, at pose, x, y, samples int) vec {
	// A black margin at the bottom, where nothing moves (see drawLine).
	h := float64(cam.height)
	margin := smoothstep(h*0.93, h*0.88, float64(y))
	side := math.Abs(float64(x)-float64(cam.width)/2) / float64(cam.width)
	margin *= 1 - 0.85*smoothstep(0.22, 0.5, side)
	if margin <= 0 {
		return vec{}
	}
	var sum vec
	for i := range samples * samples {
		dx := (float64(i%samples) + 0.5) / float64(samples)
		dy := (float64(i/samples) + 0.5) / float64(samples)
		c := trace(cam.eye, cam.ray(float64(x)+dx, float64(y)+dy), at)
		// Tone mapping per sample keeps highlights from fraying edges.
		sum = sum.add(vec{c.x / (1 + c.x*0.25), c.y / (1 + c.y*0.25), c.z / (1 + c.z*0.25)})
	}
	return sum.mul(margin / float64(samples*samples))
}

// trace returns the colour seen from eye in the direction of ray.
func trace(eye, ray vec, at pose) vec {
	dist, hit := wheelHit(eye, ray)
	colour := vec{}
	switch {
	case !math.IsInf(dist, 1):
		colour = shade(eye.add(ray.mul(dist)), hit, ray, at)
	case ray.z < 0:
		dist = (tableHeight - eye.z) / ray.z
		colour = tableColour(eye.add(ray.mul(dist)))
	}
	if d, n, m, ok := armHit(eye, ray, at.rotor); ok && d < dist {
		dist = d
		colour = light(m, eye.add(ray.mul(d)), n, ray, at, 1)
	}
	if at.opacity > 0 {
		if d, ok := sphereHit(eye, ray, at.ball, ballRadius); ok && d < dist {
			p := eye.add(ray.mul(d))
			lit := light(ivory, p, p.sub(at.ball).unit(), ray, pose{}, 1)
			colour = colour.mix(lit, at.opacity)
		}
	}
	return colour
}

// sphereHit returns the distance to the near side of a sphere.
func sphereHit(eye, ray, centre vec, radius float64) (float64, bool) {
	to := centre.sub(eye)
	along := to.dot(ray)
	off := to.dot(to) - along*along
	if off > radius*radius || along < 0 {
		return 0, false
	}
	return along - math.Sqrt(radius*radius-off), true
}
