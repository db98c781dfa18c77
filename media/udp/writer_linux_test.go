package udp

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/framelock/relay/media/packet"
)

// A run whose segments the path cannot carry is refused by the kernel as such and
// sent datagram by datagram; others stay runs.
func TestARunThatTheKernelRefuses(t *testing.T) {
	c, peer := listen(t), listen(t)
	w, err := newWriter(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	// No datagram is larger than 65,507 bytes: three of these are too much for a run.
	large := bytes.Repeat([]byte{7}, 3*22_000)
	refused, err := w.WriteRuns([]Run{
		{Data: []byte("aabb"), Segment: 2, To: peer.LocalAddr()},
		{Data: large, Segment: 22_000, To: peer.LocalAddr()},
		{Data: []byte("ccdd"), Segment: 2, To: peer.LocalAddr()},
	})
	if refused != 0 || err != nil {
		t.Fatal(refused, err)
	}
	expect(t, peer, "aa", "bb", "", "", "", "cc", "dd") // what is too large for a buffer is read as nothing
	if w.gso.refused.Load() {
		t.Error("segmentation was given up for a run that was too large")
	}
}

// Without segmentation everything still arrives.
func TestWithoutSegmentation(t *testing.T) {
	c, peer := listen(t), listen(t)
	c.gso.refused.Store(true)
	w, err := newWriter(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if refused, err := w.WriteRuns([]Run{{Data: []byte("aabbc"), Segment: 2, To: peer.LocalAddr()}}); refused != 0 || err != nil {
		t.Fatal(refused, err)
	}
	expect(t, peer, "aa", "bb", "c")
}

// An address to which nothing can be sent turns segmentation off for nobody.
func TestAnAddressThatTakesNothing(t *testing.T) {
	c, peer := listen(t), listen(t)
	w, err := newWriter(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	nowhere := netip.AddrPortFrom(peer.LocalAddr().Addr(), 0) // EINVAL
	refused, err := w.WriteRuns([]Run{
		{Data: []byte("aabb"), Segment: 2, To: nowhere},
		{Data: []byte("ccdd"), Segment: 2, To: peer.LocalAddr()},
	})
	if refused != 2 || err == nil || w.gso.refused.Load() {
		t.Errorf("%d refused, %v; segmentation given up: %v", refused, err, w.gso.refused.Load())
	}
	expect(t, peer, "cc", "dd")
}

// What the kernel refuses for another reason is counted, and the rest is sent.
func TestARefusedRunHoldsUpNoOther(t *testing.T) {
	c, peer := listen(t), listen(t)
	w, err := newWriter(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	nowhere := peer.LocalAddr()
	refused, err := w.WriteRuns([]Run{
		{Data: []byte("aa"), Segment: 2, To: nowhere},
		{Data: make([]byte, 65_530), Segment: 65_530, To: nowhere}, // EMSGSIZE
		{Data: []byte("bb"), Segment: 2, To: nowhere},
	})
	if refused != 1 || err == nil {
		t.Errorf("%d refused, %v", refused, err)
	}
	expect(t, peer, "aa", "bb")
}

func listen(t *testing.T) *conn {
	t.Helper()
	c, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*conn)
}

func expect(t *testing.T, c *conn, want ...string) {
	t.Helper()
	batch := []Datagram{{Buffer: packet.NewPool(1).Get()}}
	for _, text := range want {
		if _, err := c.ReadBatch(batch); err != nil || string(batch[0].Buffer.Data) != text {
			t.Fatalf("read %q, %v; want %q", batch[0].Buffer.Data, err, text)
		}
	}
}
