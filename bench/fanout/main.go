//go:build linux

// Command fanout measures what it costs to send one stream to many viewers: with
// the relay, with plain pion, and with a program that does nothing but encrypt and
// send. All run on this machine, one after the other in turn, with the same load.
//
//	go run ./bench/fanout -n 50,200,400 -servers floor,relay,pion
//
// With -short it takes less than a minute and exits with 1 if the relay does not
// keep its promises. With -all -report docs it takes about 20 minutes and writes the
// figures into docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/framelock/relay/bench/floor"
	"github.com/framelock/relay/bench/load"
	"github.com/framelock/relay/bench/plainpion"
	"github.com/framelock/relay/bench/report"
)

// The first arguments with which this program is a server under measurement.
const (
	serveFloor = "serve-floor"
	servePion  = "serve-pion"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case serveFloor:
			return floor.Serve(ctx, os.Stdin, os.Stdout)
		case servePion:
			return plainPion(ctx, args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if o.soak > 0 {
		return b.soak(ctx, o)
	}
	return b.all(ctx, o)
}

// plainPion serves with plain pion: the number of streams, and whether with the
// default interceptors.
func plainPion(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s takes two arguments", servePion)
	}
	streams, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	interceptors, err := strconv.ParseBool(args[1])
	if err != nil {
		return err
	}
	return plainpion.Serve(ctx, plainpion.Config{
		Streams: streams, Interceptors: interceptors, Format: load.Format,
		VideoType: load.VideoType, AudioType: load.AudioType,
	}, os.Stdout)
}

// options are the flags.
type options struct {
	viewers []int
	servers []string
	paces   []load.Pace
	streams int
	size    int
	loss    float64 // share of the video
	window  time.Duration
	rounds  int
	tries   int // of a measurement that is not good, because the fault may be another program's
	short   bool
	all     bool
	events  bool
	joins   bool
	soak    time.Duration // 0 = measure instead
	load    float64       // of a soak: share of the processors
	json    string
	report  string
	relay   string
	livekit string
}

// sizes are the viewers of a whole run.
const sizes = "1,10,50,200,400,800"

func parse(args []string) (options, error) {
	f := flag.NewFlagSet("fanout", flag.ContinueOnError)
	o := options{tries: 2}
	viewers := f.String("n", sizes, "viewers of each stream, with commas")
	servers := f.String("servers", strings.Join([]string{report.Floor, report.FloorSingle, report.Relay, report.Pion, report.PionDefault}, ","), "servers to measure, with commas")
	input := f.String("input", "burst", "burst, spread or both with a comma: how a frame's packets come")
	seconds := f.Float64("seconds", 5, "time of one measurement")
	f.IntVar(&o.streams, "streams", 1, "streams, each with its own viewers")
	f.IntVar(&o.size, "size", load.DefaultSize, "bytes of a video packet, RTP header included")
	f.IntVar(&o.rounds, "rounds", 3, "measurements of each server with each number of viewers, taken in turn")
	f.Float64Var(&o.loss, "loss", 0, "share of the video's packets that viewers miss at first and ask for again, 0 to 0.1; not for floor and pion, which send nothing again")
	f.BoolVar(&o.short, "short", false, "less than a minute, and exit with 1 if the relay breaks a promise")
	f.BoolVar(&o.all, "all", false, "everything: burst with -n and -servers, spread with one stream and with many, 1% loss, events, joins")
	f.BoolVar(&o.events, "events", false, "also measure what events cost")
	f.BoolVar(&o.joins, "joins", false, "also measure what joining costs")
	f.DurationVar(&o.soak, "soak", 0, "instead of all that, load the relay for so long, and exit with 1 if it grows or drops anything")
	f.Float64Var(&o.load, "load", 0.6, "with -soak: share of the machine's processors to keep busy")
	f.StringVar(&o.json, "json", "", "file for all figures")
	f.StringVar(&o.report, "report", "", "directory of documents to write the tables and the chart into")
	f.StringVar(&o.relay, "relay", "", "the relay's executable; built from this directory if not given")
	f.StringVar(&o.livekit, "livekit", "", "the LiveKit server's executable; built below .cache if not given")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		*viewers, *servers, *input, *seconds = "100", strings.Join([]string{report.Floor, report.Relay, report.Pion}, ","), "burst", 3
		o.rounds, o.streams, o.tries = 1, 1, 1 // more rounds follow if need be
	}
	o.events, o.joins = o.events || o.all, o.joins || o.all
	o.window = time.Duration(*seconds * float64(time.Second))
	o.servers = strings.Split(*servers, ",")
	for _, name := range o.servers {
		if report.Titles[name] == "" {
			return o, fmt.Errorf("-servers: %q is none of floor, floor-single, relay, pion, pion-default, livekit, janus", name)
		}
	}
	for word := range strings.SplitSeq(*viewers, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-n: %q is no number of viewers", word)
		}
		o.viewers = append(o.viewers, n)
	}
	slices.Sort(o.viewers)
	for word := range strings.SplitSeq(*input, ",") {
		pace, err := load.ParsePace(word)
		if err != nil {
			return o, fmt.Errorf("-input: %w", err)
		}
		o.paces = append(o.paces, pace)
	}
	return o, o.check()
}

func (o options) check() error {
	switch {
	case o.window < time.Second:
		return errors.New("-seconds: want at least 1")
	case o.streams < 1:
		return errors.New("-streams: want at least 1")
	case o.rounds < 1:
		return errors.New("-rounds: want at least 1")
	case o.soak != 0 && o.soak < 30*time.Second:
		return fmt.Errorf("-soak: %v is too short to see anything: want at least 30s", o.soak)
	case o.load <= 0 || o.load > 0.9:
		return fmt.Errorf("-load: %v is no share of the processors to ask for: want more than 0, at most 0.9", o.load)
	case !(o.loss >= 0 && o.loss <= 0.1):
		return fmt.Errorf("-loss: %v, want a share of 0 to 0.1", o.loss)
	case o.loss > 0 && slices.ContainsFunc(o.servers, sendsOnce):
		return errors.New("-loss: floor, floor-single and pion send nothing again; choose others with -servers, such as relay,pion-default")
	case o.size < 200 || o.size > 1400:
		return errors.New("-size: want 200 to 1400 bytes")
	}
	return nil
}

// sendsOnce reports whether a server never sends anything again.
func sendsOnce(server string) bool {
	return server == report.Floor || server == report.FloorSingle || server == report.Pion
}

// prepare builds what is to be measured.
func prepare(ctx context.Context, o options) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fanout-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, relay: o.relay, self: self, livekit: o.livekit}
	if b.relay == "" && (slices.Contains(o.servers, report.Relay) || o.events || o.joins || o.soak > 0) {
		b.relay = filepath.Join(dir, "relay")
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-o", b.relay, "github.com/framelock/relay/cmd/relay")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("go build of the relay: %w\n%s", err, out), os.RemoveAll(dir))
		}
	}
	if b.livekit == "" && slices.Contains(o.servers, report.LiveKit) {
		if b.livekit, err = buildLiveKit(ctx); err != nil {
			fmt.Println("livekit is left out:", err)
			b.missing = append(b.missing, report.LiveKit)
		}
	}
	if slices.Contains(o.servers, report.Janus) {
		fmt.Println("janus is left out: it takes no loopback address for media (docs/decisions/0011-measured-peers.md)")
		b.missing = append(b.missing, report.Janus)
	}
	return b, nil
}
