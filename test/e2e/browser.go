package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Browser is one Chromium with one page, driven through driver.mjs.
type Browser struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  *os.File
	Version string
}

// BrowserConfig says what a browser starts with.
type BrowserConfig struct {
	Executable    string
	Width, Height int
	// Dir takes what the driver says on standard error.
	Dir string
	// Pages is the folder of the tests' own pages.
	Pages string
}

// StartBrowser starts Chromium and prepares its pages: page/instruments.js runs
// in each, and /e2e/… is answered from the folder of pages on every host.
func StartBrowser(cfg BrowserConfig) (*Browser, error) {
	web, err := filepath.Abs("../../web")
	if err != nil {
		return nil, err
	}
	instruments, err := filepath.Abs("page/instruments.js")
	if err != nil {
		return nil, err
	}
	pages, err := filepath.Abs(cfg.Pages)
	if err != nil {
		return nil, err
	}
	b := &Browser{cmd: exec.Command("node", "driver.mjs", web)}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.out = bufio.NewReaderSize(out, 1<<20)
	if b.errors, err = os.Create(filepath.Join(cfg.Dir, "driver.log")); err != nil {
		return nil, err
	}
	b.cmd.Stderr = b.errors
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("browser driver: %w", err)
	}
	err = b.call("launch", map[string]any{"executable": cfg.Executable, "width": cfg.Width, "height": cfg.Height}, &b.Version)
	if err == nil {
		err = b.call("init", map[string]any{"file": instruments}, nil)
	}
	if err == nil {
		err = b.call("serve", map[string]any{"folder": pages}, nil)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// call sends one request to the driver and reads its answer into result.
func (b *Browser) call(op string, args map[string]any, result any) error {
	request := map[string]any{"op": op}
	for k, v := range args {
		request[k] = v
	}
	if err := json.NewEncoder(b.in).Encode(request); err != nil {
		return fmt.Errorf("browser %s: %w", op, err)
	}
	line, err := b.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("browser %s: the driver ended: %w", op, err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("browser %s: %w: %.200s", op, err, line)
	}
	if answer.Error != "" {
		return fmt.Errorf("browser %s: %s", op, answer.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("browser %s: %w: %.200s", op, err, answer.Result)
	}
	return nil
}

// Goto opens a page and waits until it has loaded.
func (b *Browser) Goto(url string) error { return b.call("goto", map[string]any{"url": url}, nil) }

// Evaluate computes a JavaScript expression (a promise is awaited) into result.
func (b *Browser) Evaluate(expression string, result any) error {
	return b.call("evaluate", map[string]any{"expression": expression}, result)
}

// Wait waits until a JavaScript expression is true.
func (b *Browser) Wait(expression string, timeout time.Duration) error {
	return b.call("wait", map[string]any{"expression": expression, "timeoutMs": timeout.Milliseconds()}, nil)
}

// Show puts the window back, or away: the page is then hidden, as behind another tab.
func (b *Browser) Show(visible bool) error {
	if err := b.call("show", map[string]any{"visible": visible}, nil); err != nil {
		return err
	}
	return b.Wait(fmt.Sprintf("document.hidden === %v", !visible), 5*time.Second)
}

// Renderers returns the ids of the processes that run the browser's pages.
func (b *Browser) Renderers() (ids []int, err error) {
	err = b.call("renderers", nil, &ids)
	return ids, err
}

// Throttle has the page's scripts run at 1/rate of the processor's speed.
func (b *Browser) Throttle(rate int) error {
	return b.call("throttle", map[string]any{"rate": rate}, nil)
}

// Screenshot writes a picture of the page as PNG.
func (b *Browser) Screenshot(name string) error {
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	return b.call("screenshot", map[string]any{"path": path}, nil)
}

// Console returns what the page wrote to its console, uncaught errors included.
func (b *Browser) Console() ([]string, error) {
	var messages []string
	err := b.call("console", nil, &messages)
	return messages, err
}

// Close ends the browser and its driver.
func (b *Browser) Close() error {
	err := b.call("close", nil, nil)
	b.in.Close()
	return errors.Join(err, b.cmd.Wait(), b.errors.Close())
}
