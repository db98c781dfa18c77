package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one program of a case, with everything that it printed.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	log    *os.File
	ended  chan struct{} // closed when it has been waited for
	endErr error         // valid once ended is closed

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced with each line
}

// StartProcess starts a program; its output goes to dir/NAME.log as well.
func StartProcess(dir, name string, argv ...string) (*Process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "$ %s\n", strings.Join(argv, " "))
	p := &Process{Name: name, cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan struct{}), more: make(chan struct{})}
	// One pipe of our own, which Wait does not close under the reader.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close(), w.Close(), log.Close())
	}
	w.Close()
	go p.read(r)
	return p, nil
}

// read collects the output until the program and its children have closed it.
func (p *Process) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintln(p.log, lines.Text())
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	p.endErr = p.cmd.Wait()
	p.log.Close()
	close(p.ended)
}

// WaitLine waits for the first line that find accepts.
func (p *Process) WaitLine(ctx context.Context, what string, find func(line string) bool) error {
	seen := 0
	for {
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		p.mu.Unlock()
		for _, line := range lines {
			if find(line) {
				return nil
			}
		}
		seen += len(lines)
		select {
		case <-more:
		case <-p.ended:
			return fmt.Errorf("%s ended (%v) without saying %s:\n%s", p.Name, p.endErr, what, p.Tail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s did not say %s: %w\n%s", p.Name, what, ctx.Err(), p.Tail(20))
		}
	}
}

// Tail returns the last lines that were printed.
func (p *Process) Tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-n):], "\n")
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// stopWait is how long a program may take to end when asked to.
const stopWait = 10 * time.Second

// Stop asks the program to end, and kills it if it does not.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end within %v of SIGTERM", p.Name, stopWait), p.Kill())
	}
}

// Kill ends the program as a crash would (kill -9).
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	<-p.ended
	return nil
}

// Wait waits for the program to end by itself and returns its exit status as an
// error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.endErr
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w\n%s", p.Name, ctx.Err(), p.Tail(10))
	}
}

// Output runs a program to its end and returns what it printed on standard output.
func Output(ctx context.Context, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, complaints.Bytes())
	}
	return out.Bytes(), nil
}
