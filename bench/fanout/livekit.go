//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/framelock/relay/bench/livekit"
)

// buildLiveKit builds the server, once for all runs in this directory.
func buildLiveKit(ctx context.Context) (string, error) {
	dir, err := filepath.Abs(filepath.Join(".cache", "peers", "livekit-"+livekit.Version))
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, path.Base(livekit.Package))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	fmt.Println("building LiveKit", livekit.Version, "into", dir)
	build := exec.CommandContext(ctx, "go", "install", livekit.Package+"@"+livekit.Version)
	build.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install of LiveKit: %w\n%s", err, out)
	}
	return file, nil
}

// openLiveKit starts LiveKit and publishes the setting's streams into it.
func (b *bench) openLiveKit(ctx context.Context, s setting) (*scene, error) {
	sc := &scene{setting: s, dial: watchLiveKit}
	ports, err := livekitPorts()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "livekit.yaml")
	if err := os.WriteFile(file, []byte(livekit.Config(ports)), 0o600); err != nil {
		return nil, err
	}
	if sc.process, err = start(b.dir, s.server, b.livekit, "--config", file); err != nil {
		return nil, err
	}
	sc.discard()
	sc.addresses.HTTP = fmt.Sprintf("127.0.0.1:%d", ports.HTTP)
	if err := sc.openStudio(ctx); err != nil {
		sc.close()
		return nil, fmt.Errorf("%w\n%s", err, sc.complaints())
	}
	return sc, nil
}

func (sc *scene) openStudio(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := reachable(ctx, "http://"+sc.addresses.HTTP+"/"); err != nil {
		return err
	}
	studio, err := livekit.Publish(ctx, sc.addresses.HTTP, sc.streams, sc.pace, sc.size)
	if err != nil {
		return err
	}
	sc.input = studio
	return studio.Go(ctx)
}

// watchLiveKit finds server and room in a scene's URL of a stream.
func watchLiveKit(ctx context.Context, url string, pc *webrtc.PeerConnection) (func(), error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return livekit.Watch(ctx, req.URL.Host, path.Base(req.URL.Path), pc)
}

// reachable waits until a server answers.
func reachable(ctx context.Context, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			return res.Body.Close()
		}
		if waitErr := wait(ctx, 50*time.Millisecond); waitErr != nil {
			return errors.Join(waitErr, err)
		}
	}
}

// livekitPorts finds ports that are free.
func livekitPorts() (p livekit.Ports, err error) {
	for _, port := range []*int{&p.HTTP, &p.TCP} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return p, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return p, err
	}
	defer u.Close()
	p.UDP = u.LocalAddr().(*net.UDPAddr).Port
	return p, nil
}
