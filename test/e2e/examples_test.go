package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The SDK's examples play from their own folder, under their own policy, which
// allows neither inline code nor eval.
func TestExamples(t *testing.T) {
	for _, example := range []struct{ name, plays string }{
		{"plain", `(() => {
			const { player, canvas } = document.querySelector("#table");
			return player.status === "live" && player.framelock.state !== undefined && canvas.width === 640;
		})()`},
		{"react", `document.querySelector("p")?.textContent.startsWith("live") && document.querySelector("canvas").width === 640`},
	} {
		t.Run(example.name, func(t *testing.T) {
			c := begin(t, time.Minute, chromium)
			w := c.world
			c.must(w.StartRelay(c.ctx, "h264"))
			c.must(w.StartPublisher(5, clip(c, "h264", "360p30")))
			c.must(w.StartStudio("h264", "360p30"))
			c.must(w.WaitStream(c.ctx))
			c.pages = filepath.Join(c.dir, "page")
			c.must(c.buildExample(example.name))
			c.open("/e2e/index.html", 800, 600)
			c.must(c.browser.Wait(example.plays, 20*time.Second))
		})
	}
}

// buildExample copies an example with the SDK beside it, for the relay of the test.
func (c *scenario) buildExample(name string) error {
	web, err := filepath.Abs("../../web")
	if err != nil {
		return err
	}
	source := filepath.Join(web, "examples", name)
	if err := os.CopyFS(c.pages, os.DirFS(source)); err != nil {
		return err
	}
	sdk, beside := filepath.Join(web, "dist", "sdk"), "sdk"
	if name == "react" {
		beside = "" // the bundle has the SDK in it, and its workers are looked for where it is
		_, err := Output(c.ctx, filepath.Join(web, "node_modules", ".bin", "esbuild"), filepath.Join(source, "main.tsx"),
			"--bundle", "--format=esm", "--jsx=automatic", "--log-level=error", "--define:process.env.NODE_ENV=\"production\"",
			"--alias:@framelock/player="+filepath.Join(sdk, "framelock.js"), "--outfile="+filepath.Join(c.pages, "main.js"))
		if err != nil {
			return err
		}
	}
	if err := os.CopyFS(filepath.Join(c.pages, beside), os.DirFS(sdk)); err != nil {
		return err
	}
	for _, file := range []string{"index.html", "main.js"} {
		path := filepath.Join(c.pages, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		here := strings.NewReplacer("https://relay.example/whep/wheel", "/whep/"+c.world.Stream, " https://relay.example", "")
		if err := os.WriteFile(path, []byte(here.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}
