package journal

import (
	"testing"
	"time"
)

func TestLeaseIsALine(t *testing.T) {
	want := Lease{Log: NewLog(), SeqEnd: 2 * SeqBlock, Epoch: 7, AheadBy: 3 * time.Millisecond}
	got, err := ParseLease(want.Line())
	if err != nil || got != want {
		t.Fatalf("%+v %v, want %+v", got, err, want)
	}
	for _, line := range []string{"", "{", "{}", `{"v":1,"type":"lease"}`, `{"v":1,"type":"owner","log":"9f3c0a77d2e41b05"}`, `{"type":"lease","log":"zz"}`} {
		if l, err := ParseLease([]byte(line)); err == nil {
			t.Errorf("%s was taken for %+v", line, l)
		}
	}
	if a, b := NewLog(), NewLog(); a == b {
		t.Error("two logs have one id")
	}
}
