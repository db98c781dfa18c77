package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// cluster is three NATS servers with JetStream in this process.
type cluster struct {
	t     testing.TB
	opts  []*server.Options
	nodes []*server.Server
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	dir := t.TempDir()
	ports := freePorts(t, 6)
	var routes []*url.URL
	for _, port := range ports[:3] {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	for i := range 3 {
		c.opts = append(c.opts, &server.Options{
			ServerName: fmt.Sprint("node-", i), Host: "127.0.0.1", Port: ports[3+i],
			NoLog: true, NoSigs: true, JetStream: true, SyncAlways: true,
			StoreDir: fmt.Sprint(dir, "/", i), JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 1 << 30,
			Cluster: server.ClusterOpts{Name: "journal", Host: "127.0.0.1", Port: ports[i], NoAdvertise: true},
			Routes:  routes,
		})
		c.nodes = append(c.nodes, nil)
		c.startNode(i)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.kill(i)
		}
	})
	eventually(t, "the cluster has a leader and three nodes", func() bool {
		return slices.ContainsFunc(c.nodes, func(n *server.Server) bool {
			return n.JetStreamIsLeader() && len(n.JetStreamClusterPeers()) == 3
		})
	})
	return c
}

func (c *cluster) startNode(i int) {
	c.t.Helper()
	n, err := server.NewServer(c.opts[i])
	if err != nil {
		c.t.Fatal(err)
	}
	n.Start()
	c.nodes[i] = n
}

// freePorts returns ports that nothing listens to.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (c *cluster) kill(i int) {
	c.nodes[i].Shutdown()
	c.nodes[i].WaitForShutdown()
}

// leader returns which node leads the journal's stream.
func (c *cluster) leader(name string) int {
	c.t.Helper()
	at := -1
	eventually(c.t, "the journal has a leader", func() bool {
		at = slices.IndexFunc(c.nodes, func(n *server.Server) bool {
			return n.Running() && n.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, name)
		})
		return at >= 0
	})
	return at
}

func (c *cluster) urls(nodes ...int) string {
	var all []string
	for _, i := range nodes {
		all = append(all, fmt.Sprint("nats://127.0.0.1:", c.opts[i].Port))
	}
	return strings.Join(all, ",")
}

// load is a writer in a burst, and what it was told.
type load struct {
	t       testing.TB
	w       *Writer
	running sync.WaitGroup
	ended   error

	mu      sync.Mutex
	n       uint64
	refused int
	acks    []ack
	failed  int
}

func startLoad(t testing.TB, j *Journal, after uint64, backlog int) *load {
	l := &load{t: t, n: after, w: NewWriter(j, WriterOptions{MaxBacklog: backlog})}
	l.running.Go(func() { l.ended = l.w.Run(t.Context()) })
	return l
}

// put puts n entries and counts those that were refused.
func (l *load) put(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		entry := l.n + 1
		ok := l.w.Put(&numbered{entry, func(pos uint64, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed++
				return
			}
			l.acks = append(l.acks, ack{entry, pos})
		}})
		if ok {
			l.n++
		} else {
			l.refused++
		}
	}
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

// more waits until more entries are durable than n, under load.
func (l *load) more(n int) {
	l.t.Helper()
	eventually(l.t, "more entries are durable", func() bool {
		l.put(20)
		return l.acknowledged() > n
	})
}

func (l *load) finish() {
	l.t.Helper()
	l.w.Close()
	l.running.Wait()
	if l.ended != nil {
		l.t.Fatal(l.ended)
	}
	if uint64(len(l.acks)) != l.n || l.failed != 0 {
		l.t.Fatalf("%d of %d entries acknowledged, %d failed", len(l.acks), l.n, l.failed)
	}
}

func TestClusterLosesItsLeader(t *testing.T) {
	c := startCluster(t)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := start(t, Options{URL: c.urls(0, 1, 2), Logger: quiet})
	j := open(t, s)
	l := startLoad(t, j, 0, 2000)
	for range 2 {
		l.more(l.acknowledged() + 500)
		lead := c.leader(j.name)
		before := l.acknowledged()
		killed := time.Now()
		c.kill(lead)
		l.more(l.acknowledged())
		t.Logf("leader %d killed after %d acknowledged; the next %v later", lead, before, time.Since(killed).Round(time.Millisecond))
		c.startNode(lead)
		eventually(t, "the node has caught up", func() bool {
			return c.nodes[lead].JetStreamIsStreamCurrent(server.DEFAULT_GLOBAL_ACCOUNT, j.name)
		})
	}
	l.finish()
	if n := checkNumbered(t, j, l.acks); n != l.n {
		t.Errorf("%d entries, %d were put", n, l.n)
	}
}

func TestClusterHandsOver(t *testing.T) {
	c := startCluster(t)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	urls := c.urls(0, 1, 2)
	a := start(t, Options{URL: urls, Owner: "relay-a", Logger: quiet})
	ja := open(t, a)
	la := startLoad(t, ja, 0, 100000)
	la.more(500)

	// A second owner takes the journal in the middle of a burst.
	la.put(5000)
	b := start(t, Options{URL: urls, Owner: "relay-b", Logger: quiet})
	began := time.Now()
	jb := open(t, b)
	t.Logf("taken from a live owner in %v", time.Since(began).Round(time.Millisecond))
	la.put(100)
	la.running.Wait()
	if !errors.Is(la.ended, ErrFenced) || la.failed == 0 {
		t.Fatalf("the first owner ended with %v, %d of its entries failed", la.ended, la.failed)
	}
	n := checkNumbered(t, jb, la.acks)
	if n < uint64(len(la.acks)) {
		t.Fatalf("%d entries of %d acknowledged", n, len(la.acks))
	}

	// Its connection breaks; another takes over.
	lb := startLoad(t, jb, n, 100000)
	lb.more(500)
	b.Close()
	lb.w.Close()
	d := start(t, Options{URL: urls, Owner: "relay-c", Logger: quiet})
	began = time.Now()
	jd := open(t, d)
	t.Logf("taken from a dead owner in %v", time.Since(began).Round(time.Millisecond))
	checkNumbered(t, jd, append(la.acks, lb.acks...))
	if jd.Term() != 3 {
		t.Errorf("term %d, want 3", jd.Term())
	}
}

// A relay is cut off from the cluster in a burst: what it takes is bounded, and all
// of it becomes durable in order when the connection is back.
func TestCutOffFromTheCluster(t *testing.T) {
	c := startCluster(t)
	wire := startWire(t, fmt.Sprint("127.0.0.1:", c.opts[0].Port))
	s := start(t, Options{URL: "nats://" + wire.Addr().String(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	j := open(t, s)
	l := startLoad(t, j, 0, 3000)
	l.more(500)

	wire.cut()
	began := time.Now()
	var err error
	eventually(t, "the backlog is full", func() bool {
		l.put(100)
		err = l.w.Health().Err
		return l.refused > 0 && err != nil
	})
	if n := l.w.Backlog(); !errors.Is(err, ErrUnavailable) || n > 3000 {
		t.Fatalf("backlog %d; health %v", n, err)
	}
	if os.Getenv("SOAK") != "" {
		<-time.After(10*time.Second - time.Since(began))
	}
	during := l.acknowledged()
	wire.mend()
	mended := time.Now()
	l.more(during)
	t.Logf("cut off for %v with a backlog of 3000; durable again %v after", mended.Sub(began).Round(time.Millisecond), time.Since(mended).Round(time.Millisecond))
	l.finish()
	if n := checkNumbered(t, j, l.acks); n != l.n {
		t.Errorf("%d entries, %d were put", n, l.n)
	}
}

// wire is a TCP relay that can be cut.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	down  bool
	conns []net.Conn
	wg    sync.WaitGroup
}

func startWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: to}
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.join(c)
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.cut()
		w.wg.Wait()
	})
	return w
}

func (w *wire) join(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	far, err := net.Dial("tcp", w.to)
	if err != nil || w.down {
		c.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	w.conns = append(w.conns, c, far)
	for _, pair := range [][2]net.Conn{{c, far}, {far, c}} {
		w.wg.Go(func() {
			io.Copy(pair[0], pair[1])
			pair[0].Close()
		})
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}
