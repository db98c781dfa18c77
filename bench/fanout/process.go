//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement: it answers in lines of JSON on standard
// output, and ends when its standard input does or with SIGTERM.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	log   *os.File // its standard error
	ended chan error
}

// start starts a program; what it complains of goes to a file in dir.
func start(dir, name string, argv ...string) (*process, error) {
	log, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan error, 1)}
	p.cmd.Stderr = log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.in = in
	// A pipe of our own, which Wait does not close under the reader.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.cmd.Stdout = w
	p.lines = bufio.NewScanner(r)
	p.lines.Buffer(nil, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), log.Close(), r.Close(), w.Close())
	}
	w.Close()
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// answerTimeout is for one line of a server.
const answerTimeout = 20 * time.Second

// answer reads the next line that the server prints.
func (p *process) answer(ctx context.Context, into any) error {
	read := make(chan error, 1)
	go func() {
		if !p.lines.Scan() {
			read <- errors.Join(errors.New("it ended"), p.lines.Err())
			return
		}
		read <- json.Unmarshal(p.lines.Bytes(), into)
	}()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	select {
	case err := <-read:
		if err != nil {
			return fmt.Errorf("%s: no answer: %w\n%s", p.name, err, p.complaints())
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer: %w\n%s", p.name, ctx.Err(), p.complaints())
	}
}

// discard reads what a server prints that has nothing to say to us.
func (p *process) discard() {
	go func() {
		for p.lines.Scan() {
		}
	}()
}

// ask writes a line and reads the answer.
func (p *process) ask(ctx context.Context, line string, into any) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, err, p.complaints())
	}
	return p.answer(ctx, into)
}

// complaints returns the end of the standard error.
func (p *process) complaints() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// stopGrace is how long a server may take to end.
const stopGrace = 5 * time.Second

// stop ends the server. That a server ends by a signal is no error.
func (p *process) stop() {
	p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.log.Close()
}
