package packet

import (
	"sync"
	"testing"
)

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestBufferGoesBackToItsPool(t *testing.T) {
	p := NewPool(1)
	b := p.Get()
	b.Data = b.Memory()[:copy(b.Memory(), "datagram")]
	b.Retain(2)
	for held := 3; held > 0; held-- {
		if p.Live() != 1 {
			t.Fatalf("%d holders: %d live", held, p.Live())
		}
		b.Release()
	}
	if p.Live() != 0 {
		t.Errorf("%d live after the last release", p.Live())
	}
	again := p.Get()
	if again != b {
		t.Error("the buffer is not used again")
	}
	if len(again.Data) != 0 || len(again.Memory()) != MaxSize {
		t.Errorf("a buffer begins with %d bytes of data and %d of memory", len(again.Data), len(again.Memory()))
	}
	again.Release()
}

func TestPoolKeepsNoMoreThanItWasTold(t *testing.T) {
	p := NewPool(1)
	a, b := p.Get(), p.Get()
	if a == b {
		t.Fatal("two holders of one buffer")
	}
	a.Release()
	b.Release() // no room: left to the garbage collector
	if p.Live() != 0 {
		t.Errorf("%d live", p.Live())
	}
	if c, d := p.Get(), p.Get(); c != a || d == b {
		t.Error("the pool kept other buffers than the first")
	}
}

func TestMisuseOfABufferPanics(t *testing.T) {
	for name, misuse := range map[string]func(*Buffer){
		"release":            func(b *Buffer) { b.Release() },
		"retain":             func(b *Buffer) { b.Retain(1) },
		"retain, then again": func(b *Buffer) { b.Retain(3) },
	} {
		b := NewPool(0).Get()
		b.Retain(1)
		b.Release()
		b.Release()
		if !panics(func() { misuse(b) }) {
			t.Errorf("%s after the last release is not noticed", name)
		}
	}
}

// Many goroutines share buffers; each writes only what it got from Get.
func TestBuffersAmongGoroutines(t *testing.T) {
	const holders, rounds = 4, 500
	p := NewPool(8)
	queues := make([]chan *Buffer, holders)
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan *Buffer, 16)
		wg.Go(func() {
			for b := range queues[i] {
				if len(b.Data) != 1 {
					t.Errorf("a buffer in use has %d bytes", len(b.Data))
				}
				b.Release()
			}
		})
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := range rounds {
				b := p.Get()
				b.Data = append(b.Memory()[:0], byte(i))
				b.Retain(holders)
				for _, q := range queues {
					q <- b
				}
				b.Release()
			}
		})
	}
	readers.Wait()
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
	if p.Live() != 0 {
		t.Errorf("%d buffers were never released", p.Live())
	}
}

func TestBufferAllocatesNothing(t *testing.T) {
	p := NewPool(4)
	p.Get().Release()
	if n := testing.AllocsPerRun(100, func() {
		b := p.Get()
		b.Retain(1)
		b.Release()
		b.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
