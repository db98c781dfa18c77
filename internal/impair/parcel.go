package impair

import (
	"bytes"
	"container/heap"
	"context"
	"net"
	"net/netip"
	"time"
)

// parcel is one copy of a datagram on its way.
type parcel struct {
	at   time.Time
	nth  uint64 // of two that are due at once the earlier one goes first
	data []byte
	to   *client
	up   bool
}

// parcels is a queue by time of arrival: a heap.
type parcels struct {
	heap  []parcel
	count uint64 // ever
}

func (q *parcels) Len() int      { return len(q.heap) }
func (q *parcels) Swap(i, j int) { q.heap[i], q.heap[j] = q.heap[j], q.heap[i] }
func (q *parcels) Push(x any)    { q.heap = append(q.heap, x.(parcel)) }

func (q *parcels) Less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.nth < b.nth
}

func (q *parcels) Pop() any {
	last := len(q.heap) - 1
	p := q.heap[last]
	q.heap[last] = parcel{}
	q.heap = q.heap[:last]
	return p
}

// send puts a datagram on its way, or not. The caller holds mu.
func (p *Proxy) send(c *client, up bool, b []byte, now time.Time) {
	link := c.down
	if up {
		link = c.up
	}
	if p.waiting.Len() >= maxWaiting {
		p.refused++
		return
	}
	arrivals := link.Send(len(b)+headers, now)
	if len(arrivals) == 0 {
		return
	}
	data := bytes.Clone(b)
	for _, at := range arrivals {
		p.waiting.count++
		heap.Push(&p.waiting, parcel{at: at, nth: p.waiting.count, data: data, to: c, up: up})
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// deliver hands datagrams on when they are due.
func (p *Proxy) deliver(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, some := p.deliverDue(time.Now())
		if some {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
	}
}

// deliverDue hands on what is due and returns when the next datagram is.
func (p *Proxy) deliverDue(now time.Time) (next time.Time, some bool) {
	for {
		p.mu.Lock()
		if p.waiting.Len() == 0 {
			p.mu.Unlock()
			return next, false
		}
		if next = p.waiting.heap[0].at; next.After(now) {
			p.mu.Unlock()
			return next, true
		}
		d := heap.Pop(&p.waiting).(parcel)
		from, to := p.ends(d)
		p.mu.Unlock()
		// Nobody there, or a socket that was closed just now: lost, as in a network.
		_, _ = from.WriteToUDPAddrPort(d.data, to)
	}
}

// ends returns the socket that a datagram leaves from and where it goes. The
// caller holds mu.
func (p *Proxy) ends(d parcel) (*net.UDPConn, netip.AddrPort) {
	if d.up {
		return d.to.back, p.cfg.Server
	}
	return p.front, d.to.addr
}
