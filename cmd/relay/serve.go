package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
)

// systemConfig is read if no file is named and it is there.
const systemConfig = "/etc/relay/relay.yaml"

// garbage is how much the heap may grow before it is collected, in percent. Media
// leave no garbage: little is collected anyway, and a viewer takes half the memory.
const garbage = 25

// listenFlags are the flags for the relay's own addresses.
type listenFlags struct{ http, udp, admin, tls string }

func (l *listenFlags) add(cmd *cobra.Command, http, udp, admin string) {
	f := cmd.Flags()
	f.StringVar(&l.http, "http", "", "address of the page and the API, HOST:PORT; port 0 takes a free one (default "+http+")")
	f.StringVar(&l.udp, "udp", "", "address of the viewers' media, HOST:PORT (default "+udp+")")
	f.StringVar(&l.admin, "admin", "", "address of /metrics and /healthz, HOST:PORT (default "+admin+")")
	f.StringVar(&l.tls, "tls", "", `"self-signed" serves HTTPS with a certificate made at start, for trying it from a phone`)
}

// apply sets the keys for which there is a flag.
func (l *listenFlags) apply(c *relay.Config) error {
	var errs []error
	for _, f := range []struct{ flag, value, key string }{
		{"--http", l.http, "http.listen"}, {"--udp", l.udp, "media.udp"},
		{"--admin", l.admin, "admin.listen"}, {"--tls", l.tls, "http.tls.mode"},
	} {
		if f.value != "" {
			errs = append(errs, c.Set(f.key, f.value, f.flag))
		}
	}
	return errors.Join(errs...)
}

// addFlagHint says which flag changes the address that could not be had.
func addFlagHint(err error) error {
	if err == nil || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
		return err
	}
	for key, flag := range map[string]string{"http.listen": "--http", "media.udp": "--udp", "admin.listen": "--admin"} {
		if strings.HasPrefix(err.Error(), key+":") {
			return fmt.Errorf("%w\nTo change %s here, add for example %s 127.0.0.1:0", err, key, flag)
		}
	}
	return err
}

func newServeCmd(g *globalFlags) *cobra.Command {
	var file, format string
	var listen listenFlags
	cmd := &cobra.Command{
		Use:   "serve -c FILE",
		Short: "Run the relay",
		Long: `Run the relay with a configuration file (see relay config init) until it is
interrupted or told to terminate (SIGTERM). Then it tells its viewers, who look for
another relay, and goes on for at most drain.grace, until all have left. A second
signal ends it at once.

Every key can also be set from the environment (RELAY_HTTP__LISTEN for http.listen,
RELAY_STREAMS__WHEEL__HOLD for streams.wheel.hold). A flag overrides the
environment, which overrides the file. Without -c, ` + systemConfig + ` is read if
it is there.

The addresses are printed when all of them are open; -o json prints them as one
line for scripts.`,
		Example: `  relay serve -c relay.yaml
  relay serve -c relay.yaml --http 127.0.0.1:0 -o json
  RELAY_MEDIA__PUBLIC_IPS=192.0.2.10 relay serve -c relay.yaml`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usagef("-o %q is not a format (allowed: text, json)", format)
			}
			if file == "" {
				if _, err := os.Stat(systemConfig); err == nil {
					file = systemConfig
				}
			}
			cfg, err := relay.LoadConfig(file, os.Environ())
			if err != nil {
				return err
			}
			if err := listen.apply(cfg); err != nil {
				return err
			}
			if len(cfg.Streams) == 0 {
				return usagef("there is no stream to serve: name a configuration file with -c FILE, or make one with `relay config init`")
			}
			if cfg.Logger, err = g.logger(cmd.ErrOrStderr()); err != nil {
				return err
			}
			return addFlagHint(serve(cmd.Context(), cfg, func(a relay.Addrs) error {
				return printAddrs(cmd.OutOrStdout(), format, string(cfg.HTTP.TLS.Mode), a)
			}))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration file")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "how to print the addresses: text or json")
	listen.add(cmd, ":8080", ":7882", "127.0.0.1:9090")
	return cmd
}

// serve runs a relay until ctx ends, and calls ready when it is.
func serve(ctx context.Context, cfg *relay.Config, ready func(relay.Addrs) error) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	r, err := relay.New(*cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-r.Ready():
	}
	readyErr := errors.Join(ready(r.Addrs()), notifySystemd("READY=1"))
	if readyErr != nil {
		cancel()
	}
	err = <-ended
	return errors.Join(readyErr, err)
}

// printAddrs prints where a relay listens.
func printAddrs(w io.Writer, format, tls string, a relay.Addrs) error {
	scheme := "http"
	if tls != "" {
		scheme = "https"
	}
	if format == "json" {
		type rtp struct { // of an encoder
			Video  string `json:"video,omitempty"`
			Audio  string `json:"audio,omitempty"`
			Backup *rtp   `json:"backup,omitempty"`
		}
		line := struct {
			HTTP    string         `json:"http"`
			UDP     string         `json:"udp"`
			Admin   string         `json:"admin"`
			Scheme  string         `json:"scheme"`
			Streams map[string]rtp `json:"streams"`
		}{a.HTTP, a.UDP, a.Admin, scheme, map[string]rtp{}}
		for name, s := range a.Streams {
			to := rtp{Video: s.Video, Audio: s.Audio}
			if s.Backup != (relay.InputAddrs{}) {
				to.Backup = &rtp{Video: s.Backup.Video, Audio: s.Backup.Audio}
			}
			line.Streams[name] = to
		}
		return json.NewEncoder(w).Encode(line)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "viewers and API\t%s://%s/%s\n", scheme, reachable(a.HTTP), everywhere(a.HTTP))
	fmt.Fprintf(t, "media to viewers\tudp %s\n", a.UDP)
	if a.Admin != "" {
		fmt.Fprintf(t, "metrics, health\thttp://%s/metrics%s\n", reachable(a.Admin), everywhere(a.Admin))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Streams)) {
		s := a.Streams[name]
		fmt.Fprintf(t, "stream %s\tsend RTP video to %s", name, s.Video)
		if s.Audio != "" {
			fmt.Fprintf(t, ", audio to %s", s.Audio)
		}
		if b := s.Backup; b.Video != "" {
			fmt.Fprintf(t, "; the backup's video to %s", b.Video)
			if b.Audio != "" {
				fmt.Fprintf(t, ", audio to %s", b.Audio)
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// anyAddress reports whether a listener is on every address of the machine.
func anyAddress(listener string) bool {
	at, err := netip.ParseAddrPort(listener)
	return err == nil && at.Addr().IsUnspecified()
}

// reachable is a listener's address as this machine itself can use it.
func reachable(listener string) string {
	if !anyAddress(listener) {
		return listener
	}
	_, port, _ := net.SplitHostPort(listener)
	return net.JoinHostPort("127.0.0.1", port)
}

// everywhere says where else a listener can be reached.
func everywhere(listener string) string {
	if anyAddress(listener) {
		return "  (and on every other address of this machine)"
	}
	return ""
}
