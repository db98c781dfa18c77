package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/doctor"
	"github.com/framelock/relay/internal/watch"
)

// errSick makes doctor exit with 1; what is wrong has been printed.
var errSick = errors.New("viewers are hurt, or will be; see above")

func newDoctorCmd() *cobra.Command {
	var client clientFlags
	var out output
	var file string
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE | --url URL]",
		Short: "Say what will hurt viewers, and what to do about it",
		Long: `Look for what will hurt viewers, and say in words what it is, what it does to them
and how to mend it.

With -c it looks at a configuration file and at the machine it is on: addresses,
TLS, tokens, ports, socket buffers, the state directory. With --url it looks at a
relay that runs: for each stream it reads what the relay says and joins as a
viewer for a few seconds (--for), to see keyframes, packet sizes, jitter and
clocks. Both may be given. Without either it takes ` + systemConfig + ` if that is
there, and the relay on this machine otherwise.

Exits with 1 if it finds an error, and with 0 if there are warnings at most.`,
		Example: `  relay doctor -c relay.yaml
  relay doctor --url https://relay.example --token-file viewer.token
  relay doctor -o json | jq -r '.[].code'`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if span < 0 || span > time.Minute {
				return usagef("--for %v is out of range (allowed: 0s to 1m0s)", span)
			}
			remote := cmd.Flags().Changed("url") || os.Getenv("RELAY_URL") != ""
			if file == "" && !remote {
				if _, err := os.Stat(systemConfig); err == nil {
					file = systemConfig
				}
			}
			var r doctor.Report
			if file != "" {
				if err := gatherMachine(&r, file, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			if file == "" || remote {
				c, err := client.client()
				if err != nil {
					return err
				}
				gatherRelay(cmd.Context(), &r, c, span)
			}
			found := doctor.Examine(r)
			if found == nil {
				found = []doctor.Finding{}
			}
			if err := out.print(cmd.OutOrStdout(), found, func(w *tabwriter.Writer) { printFindings(w, found) }); err != nil {
				return err
			}
			if doctor.Sick(found) {
				return errSick
			}
			return nil
		},
	}
	client.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration file; - for standard input")
	cmd.Flags().DurationVar(&span, "for", 6*time.Second, "how long to watch each stream; 0 does not join")
	return cmd
}

func printFindings(w io.Writer, found []doctor.Finding) {
	for _, f := range found {
		fmt.Fprintf(w, "%s: %s: %s\n  why: %s\n", f.Severity, f.Where, f.What, f.Why)
		if f.Do != "" {
			fmt.Fprintf(w, "  do:  %s\n", f.Do)
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(w, "nothing found that will hurt viewers")
	}
}

// gatherMachine looks at a configuration and at the machine that it is for.
func gatherMachine(r *doctor.Report, file string, stdin io.Reader) error {
	cfg, err := readConfig(file, stdin)
	if err == nil {
		_, err = relay.New(*cfg)
	}
	var wrong relay.ConfigError
	if errors.As(err, &wrong) {
		r.Config = &doctor.Config{}
		for _, f := range wrong {
			r.Config.Errors = append(r.Config.Errors, f.Error())
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.Config = doctorConfig(cfg)
	r.Machine = gatherSockets()
	r.Ports = gatherPorts(cfg)
	if cfg.State.Dir != "" {
		r.Disk = gatherDisk(cfg.State.Dir)
	}
	return nil
}

// doctorConfig takes from a configuration what matters.
func doctorConfig(cfg *relay.Config) *doctor.Config {
	c := &doctor.Config{
		HTTP: listener(cfg.HTTP.Listen), Admin: listener(cfg.Admin.Listen),
		TLS: cfg.HTTP.TLS.Mode != relay.TLSOff, SelfSigned: cfg.HTTP.TLS.Mode == relay.TLSSelfSigned,
		Insecure: cfg.Auth.Insecure, PublicIPs: cfg.Media.PublicIPs, StateDir: cfg.State.Dir != "",
	}
	host, _, _ := net.SplitHostPort(cfg.Media.UDP)
	c.UDP = hostAddr(host)
	own, _ := net.InterfaceAddrs() // none are seen as none
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			c.OwnIPs = append(c.OwnIPs, p.Addr().Unmap())
		}
	}
	for name, s := range cfg.Streams {
		for key, address := range rtpListeners(name, &s) {
			host, _, _ := net.SplitHostPort(address)
			c.Inputs = append(c.Inputs, doctor.Input{Key: key, Loopback: hostAddr(host).IsLoopback(), Allowed: len(s.RTP.Allow) > 0})
		}
	}
	return c
}

// rtpListeners returns the addresses that a stream's tracks come in on, by what names
// them.
func rtpListeners(name string, s *relay.StreamConfig) map[string]string {
	at := map[string]string{}
	video, audio, err := s.RTP.Listen()
	if err != nil {
		return at // relay.New has said so
	}
	for track, address := range map[string]string{"video": video, "audio": audio} {
		if address != "" {
			at["streams."+name+".rtp."+track] = address
		}
	}
	return at
}

func listener(address string) doctor.Listener {
	host, _, _ := net.SplitHostPort(address)
	return doctor.Listener{On: address != "", Address: address, Loopback: hostAddr(host).IsLoopback()}
}

// hostAddr is the address of a listener's host; a name that is no address counts as
// one that anybody can reach.
func hostAddr(host string) netip.Addr {
	if host == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap()
	}
	return netip.IPv4Unspecified()
}

// gatherPorts tries to open every fixed address.
func gatherPorts(cfg *relay.Config) []doctor.Port {
	var ports []doctor.Port
	try := func(key, network, address string) {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "0" {
			return
		}
		var c io.Closer
		var err error
		if network == "tcp" {
			c, err = net.Listen(network, address)
		} else {
			c, err = net.ListenPacket(network, address)
		}
		if err == nil {
			c.Close()
		}
		ports = append(ports, doctor.Port{
			Key: key, Address: network + " " + address, Taken: errors.Is(err, syscall.EADDRINUSE), Forbidden: errors.Is(err, syscall.EACCES),
		})
	}
	try("http.listen", "tcp", cfg.HTTP.Listen)
	try("admin.listen", "tcp", cfg.Admin.Listen)
	try("media.udp", "udp", cfg.Media.UDP)
	for name, s := range cfg.Streams {
		for key, address := range rtpListeners(name, &s) {
			try(key, "udp", address)
		}
	}
	return ports
}

// gatherDisk writes a small file as the relay does, and removes it.
func gatherDisk(dir string) *doctor.Disk {
	d := &doctor.Disk{Dir: dir}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		d.Missing = true
		return d
	}
	began := time.Now()
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err == nil {
		_, err = f.Write(make([]byte, 4096))
		err = errors.Join(err, f.Sync(), f.Close())
		d.Sync = time.Since(began)
		err = errors.Join(err, os.Remove(f.Name()))
	}
	if err != nil {
		d.Err = err.Error()
	}
	return d
}

// maxDoctored is how many streams are watched.
const maxDoctored = 8

// gatherRelay asks a running relay for its streams, and watches them.
func gatherRelay(ctx context.Context, r *doctor.Report, c *croupier.Client, span time.Duration) {
	u, _ := url.Parse(c.URL) // the flag was checked
	r.Relay = &doctor.Relay{URL: c.URL, TLS: u.Scheme == "https", Loopback: hostAddr(u.Hostname()).IsLoopback()}
	var list struct {
		Streams []streamInfo `json:"streams"`
	}
	if err := c.Get(ctx, "/v1/streams", &list); err != nil {
		r.Relay.Err = err.Error()
		return
	}
	r.Streams = make([]doctor.Stream, len(list.Streams))
	var watches sync.WaitGroup
	for i, info := range list.Streams {
		s := &r.Streams[i]
		*s = doctorStream(&info)
		if span > 0 && !info.Paused && i < maxDoctored {
			watches.Go(func() { s.Seen = see(ctx, c, info.Name, span) })
		}
	}
	watches.Wait()
}

func doctorStream(info *streamInfo) doctor.Stream {
	s := doctor.Stream{Name: info.Name, Paused: info.Paused}
	for _, p := range info.Health {
		s.Health = append(s.Health, doctor.Told{Text: p.Text, Mend: p.Mend})
	}
	if info.Clock != nil {
		s.Arrival = info.Clock.Source == "arrival"
	}
	for _, t := range info.Tracks {
		s.Tracks = append(s.Tracks, doctor.Track{Name: t.Track, Packets: t.Packets, Lost: t.Lost, Foreign: t.Foreign})
	}
	return s
}

// see watches a stream as a viewer.
func see(ctx context.Context, c *croupier.Client, name string, span time.Duration) *doctor.Seen {
	var o doctor.Observer
	report, err := watch.Run(ctx, watch.Config{
		URL: c.URL + "/whep/" + url.PathEscape(name), Token: c.Token, HTTP: c.HTTP, Duration: span,
		Packets: func(p watch.Packet) {
			if p.Video {
				o.Packet(len(p.Payload))
			}
		},
		Frames: func(f watch.Frame) { o.Frame(f.Codec, f.RTPTimestamp, f.Data, f.Arrival) },
	})
	seen := o.Seen()
	if err != nil {
		seen.Err = strings.TrimPrefix(err.Error(), "watch: ")
		return &seen
	}
	seen.Lost = report.Video.Lost
	for _, p := range report.Problems() {
		if report.Video.TimestampsBack == 0 || !strings.Contains(p, "timestamp that does not go forward") {
			seen.Broken = append(seen.Broken, p)
		}
	}
	if seen.ClockKnown = report.Latency.P50 != 0 && report.Clock.Source == "sender_report"; seen.ClockKnown {
		late := report.Latency.P50 + report.Clock.OffsetMS - report.Clock.HoldMS
		seen.ClockAhead = -time.Duration(late * float64(time.Millisecond))
	}
	return &seen
}

// gatherSockets asks the kernel what the relay will get.
func gatherSockets() *doctor.Machine {
	m := &doctor.Machine{}
	m.Linux, m.Segmentation = segmentation()
	if text, err := os.ReadFile(filepath.FromSlash("/proc/sys/net/core/rmem_max")); err == nil {
		_ = json.Unmarshal(text, &m.ReceiveBuffer) // 0 if it is no number
	}
	return m
}
