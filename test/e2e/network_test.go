package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/impair"
)

// Every event is drawn on its own frame although every twentieth packet is lost,
// 80 ms away from the relay.
func TestChromiumLoss(t *testing.T) {
	c := begin(t, 4*time.Minute, chromium)
	w := c.world
	c.must(w.StartRelay(c.ctx, "h264"))
	c.must(w.StartNetwork(1, impair.Path{Delay: 40 * time.Millisecond}, impair.Path{Delay: 40 * time.Millisecond, Loss: 0.05}))
	c.must(w.StartStudio("h264", "360p30"))
	c.must(w.WaitStream(c.ctx))
	c.open("/e2e/play.html?stream="+w.Stream, 1280, 900)
	c.must(c.browser.Wait(`window.play?.log.drawn.filter((d) => d.overlay).length > 30`, 20*time.Second))
	c.must(w.StartPublisher(20, clip(c, "h264", "360p30")))
	count := ofFull(1000, 100)
	c.must(c.browser.Wait(fmt.Sprintf(`play.log.drawn.reduce((n, d) => n + d.fired.length, 0) > %d`, count+count/20),
		time.Duration(count/10+20)*time.Second))
	published := c.published()
	c.must(c.browser.Wait(fmt.Sprintf(`(() => { const ids = new Set(play.log.drawn.flatMap((d) => d.fired).map((f) => f.id));
		return %s.every((id) => ids.has(id)) })()`, jsonOf(idsOf(published))), 10*time.Second))

	var page PageLog
	var browser Instruments
	c.must(c.browser.Evaluate(`play.log`, &page))
	c.must(c.browser.Evaluate(`window.instruments`, &browser))
	studio, err := ReadStudioLog(w.StudioLog())
	c.must(err)
	c.keep("page.json", page)
	c.keep("instruments.json", browser)
	v := Judge(studio, published, &page, &browser)
	_, down := w.Network.Counts()
	c.figure("%v; %d of %d datagrams lost", v, down.Lost, down.Sent)
	if down.Lost < down.Sent/40 {
		c.Errorf("the network lost %d of %d datagrams, want one of 20", down.Lost, down.Sent)
	}
	for _, wrong := range v.Wrong {
		c.Error(wrong)
	}
}

// idsOf returns the ids of what the relay accepted.
func idsOf(published []croupier.Record) (ids []string) {
	for _, r := range published {
		if r.Answer != nil {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
