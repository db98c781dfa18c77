//go:build linux

package windows

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// cluster is some NATS servers with JetStream in this process, where a journal is kept
// that more than one relay can take.
type cluster struct{ nodes []*server.Server }

func startCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{}
	ports := freePorts(t, 2*n)
	var routes []*url.URL
	for _, port := range ports[n:] {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	dir := t.TempDir()
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprint("node-", i), Host: "127.0.0.1", Port: ports[i], NoLog: true, NoSigs: true,
			JetStream: true, SyncAlways: true, StoreDir: fmt.Sprint(dir, "/", i), JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 4 << 30,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "journal", Host: "127.0.0.1", Port: ports[n+i], NoAdvertise: true}
			o.Routes = routes
		}
		node, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		node.Start()
		t.Cleanup(func() {
			node.Shutdown()
			node.WaitForShutdown()
		})
		c.nodes = append(c.nodes, node)
	}
	eventually(t, "the cluster is ready", func() bool {
		return slices.ContainsFunc(c.nodes, func(s *server.Server) bool {
			if n == 1 {
				return s.ReadyForConnections(time.Second)
			}
			return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == n
		})
	})
	return c
}

// freePorts returns ports that nothing listens to.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
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

// urls are those of all nodes.
func (c *cluster) urls() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.ClientURL())
	}
	return strings.Join(all, ",")
}

// wire is a TCP line to a node that can be slow, or cut.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	down  bool
	delay time.Duration // of what is on its way to the node
	conns []net.Conn
	wg    sync.WaitGroup
}

func startWire(t *testing.T, to *server.Server) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: to.Addr().String()}
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
		w.set(true, 0)
		w.wg.Wait()
	})
	return w
}

func (w *wire) url() string { return "nats://" + w.Addr().String() }

func (w *wire) join(near net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	far, err := net.Dial("tcp", w.to)
	if err != nil || w.down {
		near.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	w.conns = append(w.conns, near, far)
	w.wg.Go(func() { w.carry(far, near) })
	w.wg.Go(func() {
		_, _ = io.Copy(near, far)
		near.Close()
	})
}

// carry hands on what comes, after the delay.
func (w *wire) carry(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 1<<20)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.mu.Lock()
			delay := w.delay
			w.mu.Unlock()
			<-time.After(delay) // the line is slow
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				from.Close()
			}
			return
		}
	}
}

// set cuts the line or mends it, and says how slow it is.
func (w *wire) set(down bool, delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.delay = down, delay
	if down {
		for _, c := range w.conns {
			c.Close()
		}
		w.conns = nil
	}
}
