package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/framelock/relay/internal/demo"
)

func newDemoCmd(g *globalFlags) *cobra.Command {
	var listen listenFlags
	var cfg demo.Config
	var format string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole table on this machine, with a page to watch it",
		Long: `Run a relay, a studio that sends a roulette wheel, and a game server that
publishes its outcomes, with a page on which to watch them. Needs no camera,
no encoder and no network.

The page shows each outcome twice: bound to its frame by the relay, and beside it
as a naive page would, when the message arrives. The wheel's frame number is in
the picture as a bar code, so that the page can check the difference.`,
		Example: `  relay demo
  relay demo --codec vp8                       # for Firefox
  relay demo --http :8080 --tls self-signed    # for a phone in the same network
  relay demo --http 127.0.0.1:0 --udp 127.0.0.1:0 --admin 127.0.0.1:0 -o json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if format != "text" && format != "json" {
				return usagef("-o %q is not a format (allowed: text, json)", format)
			}
			if listen.tls != "" && listen.tls != "self-signed" {
				return usagef("--tls %q is not known (allowed: self-signed)", listen.tls)
			}
			if cfg.Logger, err = g.logger(cmd.ErrOrStderr()); err != nil {
				return err
			}
			if cfg.Program, err = os.Executable(); err != nil {
				return err
			}
			cfg.HTTP, cfg.UDP, cfg.Admin, cfg.TLS = listen.http, listen.udp, listen.admin, listen.tls != ""
			cfg.Stderr = cmd.ErrOrStderr()
			cfg.Ready = func(i demo.Info) {
				if format == "json" {
					_ = json.NewEncoder(cmd.OutOrStdout()).Encode(i)
					return
				}
				printScreen(cmd.OutOrStdout(), i, cfg)
			}
			return addFlagHint(demo.Run(cmd.Context(), cfg))
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "what to print when it is ready: text, or json for one line with the addresses")
	cmd.Flags().StringVar(&cfg.Codec, "codec", "h264", "h264 or vp8")
	cmd.Flags().StringVar(&cfg.Clip, "clip", "360p30", "the studio's picture: 360p30, or 1080p60 with h264")
	cmd.Flags().StringVar(&cfg.StateDir, "state", "", "keep the stream's log in this directory (default: start afresh each time)")
	listen.add(cmd, "127.0.0.1:8080", ":7882", "127.0.0.1:9090")
	return cmd
}

// printScreen is what somebody reads who has just started the demo.
func printScreen(w io.Writer, i demo.Info, cfg demo.Config) {
	url := i.URL
	if cfg.TLS {
		url += "   (the browser warns of the certificate, which was made just now: go on)"
	}
	for _, other := range otherURLs(i) {
		url += "\n         " + other + "   from other machines in this network"
	}
	client := "--url " + i.URL
	if cfg.TLS {
		client += " --insecure"
	}
	program := os.Args[0] // as it was called
	fmt.Fprintf(w, `
  Framelock demo: a roulette wheel, and every outcome on the frame that shows it.

  Open   %s

  Look   at the two overlays when the ball comes to rest. The relay's names the
         frame that the bar code at the bottom of that very picture spells; the
         naive one beside it fires when its message arrives. The counters below
         say how often each was right, and by how many frames it was wrong.
         Pause or restart the studio with the page's buttons, and watch it recover.

  Try    %s mark %s --kind marker --data '"hello"' %s
         %s streams show %s %s
         %s watch %s --for 10s %s

  Stop   Ctrl-C
`, url, program, i.Stream, client, program, i.Stream, client, program, i.Stream, client)
	fmt.Fprintf(w, "\n  The page and API are on %s, media on UDP %s, metrics on http://%s/metrics.\n\n", i.HTTP, i.UDP, i.Admin)
}

// otherURLs are the page's addresses for other machines, if the demo listens for
// them.
func otherURLs(i demo.Info) []string {
	host, port, err := net.SplitHostPort(i.HTTP)
	if err != nil || !net.ParseIP(host).IsUnspecified() {
		return nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the list is a convenience
	}
	scheme, _, _ := strings.Cut(i.URL, ":")
	var urls []string
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			urls = append(urls, scheme+"://"+net.JoinHostPort(n.IP.String(), port)+"/")
		}
	}
	return urls
}
