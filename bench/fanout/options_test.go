//go:build linux

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/report"
)

func TestPlanTakesServersInTurn(t *testing.T) {
	o, err := parse([]string{"-n", "200,50", "-servers", "floor,relay", "-rounds", "2", "-seconds", "2"})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		server  string
		viewers int
		round   int
	}
	var got []row
	for _, s := range o.plan() {
		got = append(got, row{s.server, s.viewers, s.round})
		if s.duration != 2*time.Second || s.pace != load.Burst || s.channels != (s.server == report.Relay) {
			t.Errorf("step %+v", s.setting)
		}
	}
	want := []row{
		{"floor", 50, 1}, {"relay", 50, 1}, {"floor", 200, 1}, {"relay", 200, 1},
		{"floor", 50, 2}, {"relay", 50, 2}, {"floor", 200, 2}, {"relay", 200, 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("plan %v, want %v", got, want)
	}
}

func TestShortMeasuresWhatItAsserts(t *testing.T) {
	o, err := parse([]string{"-short"})
	if err != nil {
		t.Fatal(err)
	}
	var servers []string
	for _, s := range o.plan() {
		servers = append(servers, s.server)
		if s.viewers != 100 || s.pace != load.Burst || s.streams != 1 {
			t.Errorf("step %+v", s.setting)
		}
	}
	if want := []string{report.Floor, report.Relay, report.Pion}; !slices.Equal(servers, want) {
		t.Errorf("servers %v, want %v", servers, want)
	}
}

func TestAllHasEveryPart(t *testing.T) {
	o, err := parse([]string{"-all", "-rounds", "1"})
	if err != nil {
		t.Fatal(err)
	}
	if !o.events || !o.joins {
		t.Error("no events or no joins")
	}
	count := map[string]int{}
	for _, s := range o.plan() {
		count[s.input()]++
	}
	if count["burst"] != 6*5 || count["spread"] != 2*3 || count["burst, 1% of the video lost"] != 2 {
		t.Errorf("%v measurements a round", count)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "0"}, {"-n", "many"}, {"-servers", "relay,other"}, {"-input", "trickle"},
		{"-seconds", "0.5"}, {"-streams", "0"}, {"-rounds", "0"}, {"-size", "9000"},
		{"-servers", "relay", "-loss", "0.2"}, {"-servers", "relay,pion", "-loss", "0.01"}, {"-soak", "5s"}, {"-soak", "1m", "-load", "1"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("no error for %q", args)
		}
	}
}
