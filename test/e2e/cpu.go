package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of processor times in /proc, which Linux shows to programs
// as 1/100 s on every architecture (proc_pid_stat(5)).
const clockTick = 10 * time.Millisecond

// processorTime is the time that all descendants of a process have used so far,
// without the process itself.
func processorTime(root int) (time.Duration, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	parents, used := map[int]int{}, map[int]time.Duration{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if parents[pid], used[pid], err = parseStat(stat); err != nil {
			return 0, err
		}
	}
	var sum time.Duration
	for pid, t := range used {
		for p, ok := parents[pid]; ok; p, ok = parents[p] {
			if p == root {
				sum += t
				break
			}
		}
	}
	return sum, nil
}

// parseStat reads the parent and the user and system time of /proc/PID/stat, with
// that of children that have ended.
func parseStat(stat []byte) (parent int, used time.Duration, err error) {
	// The second field is the program's name in brackets, which may hold anything.
	rest := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(rest) < 15 {
		return 0, 0, fmt.Errorf("/proc stat %q has %d fields after the name, want 15 at least", stat, len(rest))
	}
	if parent, err = strconv.Atoi(string(rest[1])); err != nil {
		return 0, 0, err
	}
	for _, field := range rest[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.Atoi(string(field))
		if err != nil {
			return 0, 0, err
		}
		used += time.Duration(ticks) * clockTick
	}
	return parent, used, nil
}
