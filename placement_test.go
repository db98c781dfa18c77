package relay

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPlacement(t *testing.T) {
	p := newPlacement(2)
	for range 200 {
		p.take("large")
	}
	if got := p.own["large"]; slices.Max(got)-slices.Min(got) > block {
		t.Errorf("a large stream is spread as %v", got)
	}
	p = newPlacement(2)
	for i := range 20 * 20 {
		p.take(fmt.Sprint("table ", i%20))
	}
	for name, own := range p.own {
		if slices.Max(own) != 20 {
			t.Errorf("%s with 20 viewers is spread as %v", name, own)
		}
	}
	if !slices.Equal(p.all, []int{200, 200}) {
		t.Errorf("20 tables are spread as %v", p.all)
	}
}

// However viewers come and go, no shard gets one more while another has a block's
// worth of room more.
func TestPlacementIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlacement(rapid.IntRange(1, 5).Draw(t, "shards"))
		type seat struct {
			stream string
			shard  int
		}
		var seats []seat
		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				stream := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "stream")
				least := slices.Min(p.all)
				shard := p.take(stream)
				if p.all[shard] > least+block {
					t.Fatalf("shard %d of %v", shard, p.all)
				}
				seats = append(seats, seat{stream, shard})
			},
			"go": func(t *rapid.T) {
				if len(seats) == 0 {
					return
				}
				i := rapid.IntRange(0, len(seats)-1).Draw(t, "who")
				p.leave(seats[i].stream, seats[i].shard)
				seats = slices.Delete(seats, i, i+1)
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, n := range p.all {
					sum += n
				}
				if sum != len(seats) || slices.Min(p.all) < 0 {
					t.Fatalf("%v for %d viewers", p.all, len(seats))
				}
			},
		})
	})
}
