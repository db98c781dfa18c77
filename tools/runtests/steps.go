package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	module      = "github.com/framelock/relay"
	staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"
	browserDir  = "./test/e2e"
	networkDir  = "./test/network"
	windowsDir  = "./test/windows"
	fanoutDir   = "./bench/fanout"
	// Cases in browsers that only long runs have.
	longOnly = "^Test(Chromium1080p60|ChromiumCPU|ChromiumDecodedVP8|SelftestFirefox|ReconnectDecoded|ReconnectFar|JoinsLoss|JoinsFar|Moving|FFmpegLiveDecoded|MatrixExactVP8|MatrixDecodedH264|MatrixDecodedVP8|MatrixHold)$"
	// A count and not a time: at the end of its time the fuzzer may fail by itself.
	fuzzInputs = 10_000
)

// step is one part of the tests.
type step struct {
	name, what string
	// complete says that a skipped case is a failure.
	complete bool
	// extra steps run only when they are named.
	extra bool
	run   func(context.Context, *tally, io.Writer) error
}

func steps() []step {
	return []step{
		{name: "check", what: "gofmt, go vet, staticcheck", run: check},
		{name: "unit", what: "go test", run: unit},
		{name: "web", what: "types, unit tests, and the committed bundle is the built one", run: web},
		{name: "fuzz", what: fmt.Sprintf("every fuzz target with %d inputs", fuzzInputs), run: fuzz},
		{name: "race", what: "go test -race", run: race},
		{name: "network", what: "sessions over bad networks", complete: true, run: network("1", "2m", "^Test(CrowdLatency|Source)$")},
		{name: "source", what: "what goes wrong with a studio's encoder", complete: true, run: source("1", "1m")},
		{name: "windows", what: "windows and actions on relays with a disk", complete: true, run: windows("1", "3m", "^Test(Takeover|CutOff)$")},
		{name: "fanout", what: "the relay's cost per packet beside plain pion and the floor", complete: true, run: fanout},
		{name: "media", what: "pictures and recordings decoded by ffmpeg, captures read by tshark", complete: true, run: media},
		{name: "readme", what: "every command and program of the README", complete: true, run: readme},
		{name: "browser", what: "short cases in real browsers", complete: true, run: browser("1", "15m", longOnly)},
		{name: "portable", what: "that it builds for macOS and Windows", extra: true, run: portable},
		{name: "e2e", what: "long cases in real browsers", complete: true, extra: true, run: browser("full", "90m", "^$")},
		{name: "network-full", what: "long cases over bad networks", complete: true, extra: true, run: network("full", "20m", "^TestSource$")},
		{name: "windows-full", what: "the same for longer, and in a cluster", complete: true, extra: true, run: windows("full", "20m", "^$")},
		{name: "source-full", what: "the same for longer", complete: true, extra: true, run: source("full", "5m")},
	}
}

// choose returns the named steps, in their own order.
func choose(names []string) ([]step, error) {
	var chosen []step
	for _, s := range steps() {
		if slices.Contains(names, s.name) || len(names) == 0 && !s.extra {
			chosen = append(chosen, s)
		}
	}
	if len(names) > 0 && len(chosen) != len(names) {
		var known []string
		for _, s := range steps() {
			known = append(known, s.name)
		}
		return nil, fmt.Errorf("steps %v: want some of %v, each once", names, known)
	}
	return chosen, nil
}

// command prepares a command that is interrupted, then killed, with the context.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// once runs a command that is a case of its own: it passes if the command succeeds.
func once(ctx context.Context, t *tally, out io.Writer, name, dir string, args ...string) {
	cmd := command(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(out, "%s: %v\n", strings.Join(args, " "), err)
		t.fail(name)
		return
	}
	t.pass()
}

func check(ctx context.Context, t *tally, out io.Writer) error {
	files, err := goFiles(os.DirFS("."))
	if err != nil {
		return err
	}
	unformatted, err := command(ctx, "gofmt", append([]string{"-l"}, files...)...).CombinedOutput()
	if err != nil || len(unformatted) > 0 {
		fmt.Fprintf(out, "gofmt would change:\n%s", unformatted)
		t.fail("gofmt")
	} else {
		t.pass()
	}
	once(ctx, t, out, "go vet", ".", "go", "vet", "./...")
	once(ctx, t, out, "staticcheck", ".", "go", "run", staticcheck, "./...")
	return nil
}

// portable builds what other systems run: what only Linux can do has a portable form.
func portable(ctx context.Context, t *tally, out io.Writer) error {
	once(ctx, t, out, "darwin", ".", "env", "GOOS=darwin", "CGO_ENABLED=0", "go", "vet", "./...")
	once(ctx, t, out, "windows", ".", "env", "GOOS=windows", "CGO_ENABLED=0", "go", "build", "./...")
	return nil
}

// goFiles returns the Go files of the tree that are ours.
func goFiles(tree fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		switch name := path.Base(p); {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go"):
			files = append(files, filepath.FromSlash(p))
		}
		return nil
	})
	return files, err
}

// goTest runs go test with the arguments and counts its cases.
func goTest(ctx context.Context, t *tally, out io.Writer, prefix string, env []string, args ...string) error {
	cmd := command(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer // of its own, because out is written while the command runs
	cmd.Stderr = &complaints
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := t.failed
	readErr := newReader(t, out, prefix).read(pipe)
	err = cmd.Wait()
	io.Copy(out, &complaints)
	if err != nil && t.failed > before {
		err = nil // counted already
	}
	return errors.Join(readErr, err)
}

// packages lists the module's packages without those that are steps of their own.
// One that does not build is listed too, so that the others run beside its failure.
func packages(ctx context.Context) ([]string, error) {
	list, err := command(ctx, "go", "list", "-e", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []string
	for p := range strings.FieldsSeq(string(list)) {
		if !strings.HasPrefix(p, module+"/test/") {
			all = append(all, p)
		}
	}
	return all, nil
}

func unit(ctx context.Context, t *tally, out io.Writer) error {
	all, err := packages(ctx)
	if err != nil {
		return err
	}
	return goTest(ctx, t, out, "", nil, append([]string{"-timeout", "5m"}, all...)...)
}

func race(ctx context.Context, t *tally, out io.Writer) error {
	all, err := packages(ctx)
	if err != nil {
		return err
	}
	return goTest(ctx, t, out, "race ", []string{"CGO_ENABLED=1"}, append([]string{"-race", "-timeout", "8m"}, all...)...)
}

func media(ctx context.Context, t *tally, out io.Writer) error {
	return goTest(ctx, t, out, "", nil, "-tags", "media", "-count", "1", "-timeout", "5m", "./internal/studio/h264bar", "./internal/watch", "./test/media")
}

func readme(ctx context.Context, t *tally, out io.Writer) error {
	return goTest(ctx, t, out, "", nil, "-tags", "readme", "-count", "1", "-timeout", "5m", "./internal/readme")
}

// fanout compares the relay with plain pion and the floor, all on this machine and in
// one run.
func fanout(ctx context.Context, t *tally, out io.Writer) error {
	once(ctx, t, out, "fan-out: "+fanoutDir, ".", "go", "run", fanoutDir, "-short")
	return nil
}

// browser runs the cases in browsers; skip is a pattern of those to leave out.
func browser(amount, limit, skip string) func(context.Context, *tally, io.Writer) error {
	return func(ctx context.Context, t *tally, out io.Writer) error {
		return goTest(ctx, t, out, "", []string{"E2E=" + amount}, "-count", "1", "-timeout", limit, "-skip", skip, browserDir+"/...")
	}
}

// network runs the cases over bad networks; skip is a pattern of those to leave out.
func network(amount, limit, skip string) func(context.Context, *tally, io.Writer) error {
	return func(ctx context.Context, t *tally, out io.Writer) error {
		return goTest(ctx, t, out, "", []string{"NETWORK=" + amount}, "-count", "1", "-timeout", limit, "-parallel", "4", "-skip", skip, networkDir)
	}
}

// windows runs the cases of windows and actions, one after the other because they
// measure; skip is a pattern of those to leave out.
func windows(amount, limit, skip string) func(context.Context, *tally, io.Writer) error {
	return func(ctx context.Context, t *tally, out io.Writer) error {
		return goTest(ctx, t, out, "", []string{"WINDOWS=" + amount}, "-count", "1", "-timeout", limit, "-skip", skip, windowsDir)
	}
}

// source runs the cases with a studio's encoder in trouble.
func source(amount, limit string) func(context.Context, *tally, io.Writer) error {
	return func(ctx context.Context, t *tally, out io.Writer) error {
		return goTest(ctx, t, out, "", []string{"NETWORK=" + amount}, "-count", "1", "-timeout", limit, "-parallel", "4", "-run", "^TestSource$", networkDir)
	}
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// fuzz finds the fuzz targets and runs each with some inputs, so that one that fails on
// easy input, or does not start, is seen in every run of the tests.
func fuzz(ctx context.Context, t *tally, out io.Writer) error {
	files, err := goFiles(os.DirFS("."))
	if err != nil {
		return err
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range fuzzTarget.FindAllSubmatch(text, -1) {
			name, dir := string(m[1]), "./"+filepath.ToSlash(filepath.Dir(file))
			var log bytes.Buffer
			was := t.failed
			once(ctx, t, &log, "fuzz "+dir+" "+name, ".", "go", "test", "-run", "^$",
				"-fuzz", "^"+name+"$", "-fuzztime", fmt.Sprintf("%dx", fuzzInputs), dir)
			if t.failed > was {
				io.Copy(out, &log)
				continue
			}
			fmt.Fprintf(out, "ok  \t%s %s\n", dir, name)
		}
	}
	return nil
}

func web(ctx context.Context, t *tally, out io.Writer) error {
	once(ctx, t, out, "web types", "web", "npm", "run", "--silent", "types")
	once(ctx, t, out, "web build", "web", "npm", "run", "--silent", "build")
	once(ctx, t, out, "web/dist is what web/ builds", ".", "git", "diff", "--exit-code", "--stat", "--", "web/dist")
	report, err := os.CreateTemp("", "vitest-*.json")
	if err != nil {
		return err
	}
	report.Close()
	defer os.Remove(report.Name())
	cmd := command(ctx, "npm", "test", "--silent", "--", "--reporter=default", "--reporter=json", "--outputFile="+report.Name())
	cmd.Dir, cmd.Stdout, cmd.Stderr = "web", out, out
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	runErr := cmd.Run()
	text, err := os.ReadFile(report.Name())
	if err != nil {
		return err
	}
	if err := countVitest(text, t); err != nil {
		return errors.Join(err, runErr)
	}
	if runErr != nil && t.failed == 0 {
		return runErr
	}
	return nil
}

// countVitest adds the cases of vitest's JSON report.
func countVitest(text []byte, t *tally) error {
	var report struct {
		TestResults []struct {
			Name             string
			Message          string
			AssertionResults []struct{ FullName, Status string }
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return fmt.Errorf("vitest's report: %w", err)
	}
	for _, file := range report.TestResults {
		name := "web " + filepath.Base(file.Name)
		if len(file.AssertionResults) == 0 {
			t.fail(name + ": " + file.Message)
		}
		for _, c := range file.AssertionResults {
			switch c.Status {
			case "passed":
				t.pass()
			case "failed":
				t.fail(name + " " + c.FullName)
			default:
				t.skip(name + " " + c.FullName)
			}
		}
	}
	return nil
}
