package relay

import "slices"

// block is how many viewers of a stream stay together on a shard: a table with few
// viewers wakes one shard for a packet, one with many has all of them work.
const block = 32

// placement spreads viewers over shards. Its owner guards it.
type placement struct {
	all []int            // viewers of each shard
	own map[string][]int // of each stream: viewers of each shard
}

func newPlacement(shards int) placement {
	return placement{all: make([]int, shards), own: map[string][]int{}}
}

// take places a viewer of a stream: where the stream has begun a block, if there is
// about as much room as elsewhere, or else where there is most.
func (p *placement) take(stream string) (shard int) {
	own := p.own[stream]
	if own == nil {
		own = make([]int, len(p.all))
		p.own[stream] = own
	}
	least := slices.Index(p.all, slices.Min(p.all))
	shard = least
	for i, n := range own {
		if n%block != 0 && p.all[i] < p.all[least]+block {
			shard = i
			break
		}
	}
	own[shard]++
	p.all[shard]++
	return shard
}

// leave takes a viewer away.
func (p *placement) leave(stream string, shard int) {
	p.all[shard]--
	p.own[stream][shard]--
}
