//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that a process has used, user and system together:
// the sum that /proc/PID/stat shows in steps of 10 ms, in nanoseconds. A sender on
// loopback pays for the receiver's part of the network stack as well.
func CPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	// The clock of another process: ~pid << 3 | CPUCLOCK_SCHED, as
	// clock_getcpuclockid(3) makes it.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("measure: processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// RSS returns the resident memory of a process, in bytes.
func RSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("measure: memory: %w", err)
	}
	return parseRSS(status)
}

func parseRSS(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("measure: no VmRSS in a process's status")
}

// Machine is the processors' time since boot, all of them together.
type Machine struct{ Busy, Total time.Duration }

// ReadMachine reads /proc/stat.
func ReadMachine() (Machine, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("measure: %w", err)
	}
	return parseMachine(stat)
}

const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux

func parseMachine(stat []byte) (Machine, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{}, fmt.Errorf("measure: /proc/stat begins with %q", line)
	}
	var m Machine
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("measure: /proc/stat: %w", err)
		}
		m.Total += time.Duration(n) * tick
		if i != 3 && i != 4 {
			m.Busy += time.Duration(n) * tick
		}
	}
	return m, nil
}

// Since returns the share of the processors that was busy since an earlier reading.
func (m Machine) Since(earlier Machine) float64 {
	if m.Total <= earlier.Total {
		return 0
	}
	return float64(m.Busy-earlier.Busy) / float64(m.Total-earlier.Total)
}
