package egress

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/transport/v4/packetio"
)

// DTLS that comes when nobody reads it any more, or more of it than fits, is counted
// as what it is.
func TestDTLSThatNobodyTakes(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.1:5000")
	record := []byte{23, 254, 253, 0}
	for _, tt := range []struct {
		name string
		end  func(*packetio.Buffer)
		want map[string]int
	}{
		{"it is read", func(*packetio.Buffer) {}, map[string]int{}},
		{"the session has just ended", func(b *packetio.Buffer) { _ = b.Close() }, map[string]int{DropStranger: 1}},
		{"there is no room", func(b *packetio.Buffer) { b.SetLimitCount(1); _, _ = b.Write(record) }, map[string]int{DropFlood: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			counted := &drops{n: map[string]int{}}
			s := &Transport{budgets: newBudgets(), inbox: packetio.NewBuffer()}
			e := &Endpoint{cfg: EndpointConfig{Drops: counted}, byAddress: map[netip.AddrPort]*Transport{from: s}}
			tt.end(s.inbox)
			(&reader{e: e}).take(record, from, time.Now())
			if !maps.Equal(counted.n, tt.want) {
				t.Errorf("drops %v, want %v", counted.n, tt.want)
			}
		})
	}
}
