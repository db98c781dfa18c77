package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// child is a program that is kept running until its context ends. Every start is
// a new process with new pipes.
type child struct {
	name    string
	command func() *exec.Cmd
	// attach is given each new process's pipes and returns when it has no more
	// use for them; output ends when the process does.
	attach func(input io.WriteCloser, output io.Reader)
	log    *slog.Logger
	// restarted is sent to in order to end the running process and start another.
	restarted chan struct{}
}

// Waits before a program that ended by itself is started again: doubled from the
// first to the longest, and back to the first when it has run for a while.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 3 * time.Second
	ranWell     = 10 * time.Second
	// stopGrace is how long a process may take to end after its input has ended.
	stopGrace = 500 * time.Millisecond
)

// run keeps the program running until the context ends; all its processes have
// ended when it returns.
func (c *child) run(ctx context.Context) {
	wait := firstWait
	for {
		began := time.Now()
		asked, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if asked {
			wait = firstWait
			continue
		}
		if time.Since(began) > ranWell {
			wait = firstWait
		}
		c.log.Warn("a program of the demo ended and is started again", "program", c.name, "after", wait, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.restarted:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = min(2*wait, longestWait)
	}
}

// once runs one process to its end; asked says that its end was asked for.
func (c *child) once(ctx context.Context) (asked bool, err error) {
	ended := make(chan error, 1)
	kill := make(chan struct{})
	var killOnce sync.Once
	stop := func() { killOnce.Do(func() { close(kill) }) }
	go func() { ended <- c.process(kill) }()
	select {
	case err := <-ended:
		return false, err
	case <-c.restarted:
		asked = true
	case <-ctx.Done():
	}
	stop()
	return asked, <-ended
}

// process starts the program and waits for its end; closing kill brings that about.
// Where a child is bound to the thread that started it, the thread must live as
// long: the goroutine keeps it.
func (c *child) process(kill <-chan struct{}) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := c.command()
	dieWithParent(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", c.name, err), input.Close())
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	done := make(chan struct{})
	var workers sync.WaitGroup
	workers.Go(func() {
		select {
		case <-done:
			return
		case <-kill:
		}
		input.Close() // the friendly way: the programs of the demo end with their input
		timer := time.NewTimer(stopGrace)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			cmd.Process.Kill()
		}
	})
	c.attach(input, output)
	_, _ = io.Copy(io.Discard, output)
	err = cmd.Wait()
	close(done)
	workers.Wait()
	return err
}

// restart ends the running process, if there is one, and has another started.
func (c *child) restart(ctx context.Context) bool {
	select {
	case c.restarted <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
