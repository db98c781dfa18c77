package main

import (
	"strings"
	"testing"

	"github.com/framelock/relay"
)

// What is printed can be opened: a listener on every address is named by one.
func TestPrintAddrs(t *testing.T) {
	var b strings.Builder
	err := printAddrs(&b, "text", "self-signed", relay.Addrs{HTTP: "[::]:8080", UDP: "[::]:7882", Admin: "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	want := `viewers and API   https://127.0.0.1:8080/  (and on every other address of this machine)
media to viewers  udp [::]:7882
metrics, health   http://127.0.0.1:9090/metrics
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
