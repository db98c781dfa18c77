package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/framelock/relay/internal/croupier"
	"github.com/framelock/relay/internal/impair"
	"github.com/framelock/relay/internal/studio"
)

// matrixClient is one column of the matrix: a browser that plays by a route.
type matrixClient struct {
	codec, route string
	firefox      bool
}

func TestMatrixExactH264(t *testing.T) {
	runMatrix(t, matrixClient{codec: "h264", route: "exact"}, true)
}
func TestMatrixExactVP8(t *testing.T) {
	runMatrix(t, matrixClient{codec: "vp8", route: "exact"}, false)
}
func TestMatrixDecodedH264(t *testing.T) {
	runMatrix(t, matrixClient{codec: "h264", route: "decoded"}, false)
}
func TestMatrixDecodedVP8(t *testing.T) {
	runMatrix(t, matrixClient{codec: "vp8", route: "decoded"}, false)
}
func TestMatrixFirefox(t *testing.T) {
	runMatrix(t, matrixClient{codec: "vp8", route: "decoded", firefox: true}, true)
}

// matrix is a case at work: one viewer, to whom one trouble happens after the other
// while a game server asks for events.
type matrix struct {
	*scenario
	client   matrixClient
	viewer   matrixViewer
	asker    *Asker
	on       *Encoder // whose frames are named
	encoders []*Encoder
	met      []met
}

// matrixViewer is a browser that plays.
type matrixViewer interface {
	stall(ms int) error
	throttle(rate int) error
	// read returns what the page has noted, once it has drawn the events.
	read(events []string) (*PageLog, *Instruments, error)
}

// met is a trouble with the time when it began.
type met struct {
	trouble
	from time.Time
}

// runMatrix meets all troubles in a full run and some in a short one, in which only
// some clients take part.
func runMatrix(t *testing.T, client matrixClient, short bool) {
	if !full() && !short {
		t.Skip("in make e2e only")
	}
	rows := slices.DeleteFunc(slices.Clone(troubles), func(r trouble) bool {
		return !full() && !r.short || client.firefox && r.throttle > 0
	})
	m := beginMatrix(t, client, "")
	for _, r := range rows {
		m.meet(r, time.Duration(ofFull(8000, 4000))*time.Millisecond)
	}
	m.end()
}

// What viewers are behind a delay line of 100 ms for: of a thousand events, one at
// most comes after its frame where every twentieth packet is lost.
func TestMatrixHold(t *testing.T) {
	m := beginMatrix(t, matrixClient{codec: "h264", route: "exact"}, "hold: 100ms")
	m.meet(trouble{name: "5% lost, hold", path: impair.Path{Delay: halfRTT, Loss: 0.05}}, time.Duration(ofFull(60, 6))*time.Second)
	for _, r := range m.end() {
		if r.late*1000 > r.events {
			m.Errorf("%d of %d events came late", r.late, r.events)
		}
	}
}

// beginMatrix starts everything; options are further keys of the stream's configuration.
func beginMatrix(t *testing.T, client matrixClient, options string) *matrix {
	needs := chromium
	if client.firefox {
		needs = "firefox-esr|firefox"
	}
	m := &matrix{scenario: begin(t, 8*time.Minute, needs), client: client}
	w := m.world
	w.Backup, w.StreamOptions = true, options
	m.must(w.StartRelay(m.ctx, client.codec))
	m.must(w.StartNetwork(1, impair.Path{}, impair.Path{}))
	t.Cleanup(func() {
		for _, e := range m.encoders {
			m.must(e.Stop())
		}
	})
	var err error
	m.on, err = m.encoder(w.primary, func(c *studio.Config) {
		// Both lines wrap, and so do the sequence numbers, in the first trouble.
		c.Video.Timestamp, c.Video.Seq = math.MaxUint32-12*90000, math.MaxUint16-1000
		c.Audio.Timestamp, c.Audio.Seq = math.MaxUint32-12*48000, math.MaxUint16-600
	})
	m.must(err)
	m.must(w.WaitStream(m.ctx))
	if client.firefox {
		m.viewer = m.openFirefox()
	} else {
		m.open(fmt.Sprintf("/e2e/play.html?route=%s&stream=%s", client.route, w.Stream), 1280, 900)
		m.viewer = chromiumViewer{m.browser}
		m.must(m.browser.Wait(`window.play?.log.drawn.filter((d) => d.overlay).length > 90`, 30*time.Second))
	}
	m.asker = w.StartAsker(m.on)
	t.Cleanup(func() { m.asker.Stop() })
	return m
}

// encoder starts an encoder, of numbers that no other has.
func (m *matrix) encoder(to Input, change ...func(*studio.Config)) (*Encoder, error) {
	e, err := StartEncoder(m.client.codec, to, uint32(100_000*len(m.encoders)), change...)
	if err == nil {
		m.encoders = append(m.encoders, e)
	}
	return e, err
}

// follow has the frames of an encoder named from now on.
func (m *matrix) follow(e *Encoder) {
	m.on = e
	m.asker.Follow(e)
}

// during waits.
func (m *matrix) during(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-m.ctx.Done():
		return context.Cause(m.ctx)
	}
}

// meet has a trouble last for a while.
func (m *matrix) meet(r trouble, span time.Duration) {
	m.Helper()
	m.met = append(m.met, met{r, time.Now()})
	m.world.Network.Change(r.path, r.path)
	m.must(m.viewer.stall(r.stallMS))
	if !m.client.firefox {
		m.must(m.viewer.throttle(max(1, r.throttle)))
	}
	m.must(m.during(span / 3))
	if r.happens != nil {
		if err := r.happens(m); err != nil {
			m.Errorf("%s: %v", r.name, err)
		}
	}
	m.must(m.during(span * 2 / 3))
}

// row is what became of the events of one trouble. Starved are those of the skipped
// that the browser left out while the page's main thread was not given its turns;
// unjudged are those whose frame is not within what the page drew.
type row struct{ events, on, late, skipped, starved, wrong, unjudged, refused int }

// end holds all events against the encoders' logs.
func (m *matrix) end() []row {
	m.Helper()
	m.must(m.viewer.stall(0))
	m.world.Network.Change(impair.Path{}, impair.Path{})
	records := m.asker.Stop()
	page, browser, err := m.viewer.read(accepted(records))
	m.must(err)
	log := &StudioLog{Info: StudioInfo{FPS: 30}}
	for _, e := range m.encoders {
		log.Frames = append(log.Frames, e.Frames()...)
	}
	slices.SortStableFunc(log.Frames, func(a, b StudioFrame) int { return a.CaptureTime.Compare(b.CaptureTime) })
	m.keep("page.json", page)
	m.keep("instruments.json", browser)
	m.keep("records.json", records)
	m.keep("studio.json", log)
	v := Judge(log, records, page, browser)
	if page.Route != m.client.route {
		m.Errorf("the page is on the %q route, want %s", page.Route, m.client.route)
	}
	for _, a := range page.Alarms {
		m.Errorf("alarm: %+v", a)
	}
	for i, wrong := range v.Wrong {
		if i == 20 {
			m.Errorf("… and %d more", len(v.Wrong)-i)
			break
		}
		m.Error(wrong)
	}
	rows := m.rows(records, page, v)
	for i, r := range rows {
		m.Logf("%-24s %+v", m.met[i].name, r)
		m.checkRow(&m.met[i].trouble, r)
	}
	if n, left := m.unexcused(rows); full() && left*100 > n {
		m.Errorf("%d of %d events' frames were left out, want 1%% at most", left, n)
	}
	m.figure("%v", v)
	return rows
}

// unexcused counts the events of all rows in which the browser has the time, and those
// of them whose frames were left out although the page had its turns.
func (m *matrix) unexcused(rows []row) (events, left int) {
	for i, r := range rows {
		if !m.met[i].loaded {
			events, left = events+r.events, left+r.skipped-r.starved
		}
	}
	return events, left
}

// rows counts by the trouble during which an event was asked for.
func (m *matrix) rows(records []croupier.Record, page *PageLog, v *Verdict) []row {
	starved := page.starved()
	rows := make([]row, len(m.met))
	for _, r := range records {
		i, _ := slices.BinarySearchFunc(m.met, r.SentAt, func(t met, at time.Time) int { return cmp.Or(t.from.Compare(at), -1) })
		row := &rows[max(0, i-1)]
		if r.Answer == nil {
			row.refused++
			continue
		}
		row.events++
		outcome, judged := v.Outcomes[r.ID]
		if !judged {
			row.unjudged++
			continue
		}
		switch outcome {
		case OnFrame:
			row.on++
		case Late:
			row.late++
		case Skipped:
			row.skipped++
			if starved[r.ID] {
				row.starved++
			}
		default:
			row.wrong++
		}
	}
	return rows
}

// checkRow holds a row against what the product promises.
func (m *matrix) checkRow(t *trouble, r row) {
	m.Helper()
	if r.events < 20 || r.wrong > 0 || r.unjudged*100 > r.events {
		m.Errorf("%s: %d events, %d wrong, %d that nobody can judge", t.name, r.events, r.wrong, r.unjudged)
	}
	if !full() {
		return // how many frames a browser leaves out says more of the machine
	}
	// A machine that stands still looks like a pause to the relay.
	if r.refused > 10 && !t.refuses {
		m.Errorf("%s: %d events were refused", t.name, r.refused)
	}
	allowed := 0.0 // the page decodes the frames itself, and shows every one
	if m.client.route == "exact" {
		// Of a group of pictures the last frames may be lost, where one of them comes
		// after the next keyframe: four events at 20 a second. All rows together: end.
		allowed = math.Max(4, 0.01*float64(r.events))
	}
	if left := r.skipped - r.starved; !t.loaded && float64(left) > allowed {
		m.Errorf("%s: %d of %d events' frames were left out, %d of them while the page had no turn", t.name, r.skipped, r.events, r.starved)
	}
	if r.late*100 > r.events {
		m.Errorf("%s: %d of %d events came late", t.name, r.late, r.events)
	}
}

// accepted returns the ids of what the relay accepted.
func accepted(records []croupier.Record) (ids []string) {
	for _, r := range records {
		if r.Answer != nil {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// chromiumViewer is a page that is driven.
type chromiumViewer struct{ browser *Browser }

func (v chromiumViewer) stall(ms int) error {
	return v.browser.Evaluate(fmt.Sprintf("play.stallBy(%d)", ms), nil)
}

func (v chromiumViewer) throttle(rate int) error { return v.browser.Throttle(rate) }

func (v chromiumViewer) read(events []string) (*PageLog, *Instruments, error) {
	all := fmt.Sprintf(`(() => { const drawn = new Set(play.log.drawn.flatMap((d) => d.fired.map((f) => f.id)));
		return %s.every((id) => drawn.has(id)) })()`, jsonOf(events))
	_ = v.browser.Wait(all, settled) // what is missing then is the judge's to say
	var page PageLog
	var browser Instruments
	err := v.browser.Evaluate(`play.log`, &page)
	if err == nil {
		err = v.browser.Evaluate(`window.instruments`, &browser)
	}
	return &page, &browser, err
}

// settled is how long after the last event everything has come, or never will.
const settled = 3 * time.Second

// firefoxViewer is a page that asks for orders.
type firefoxViewer struct {
	m     *matrix
	proxy *ReportingProxy
}

func (m *matrix) openFirefox() firefoxViewer {
	m.Helper()
	proxy, stop := m.firefox("/e2e/firefox.html?stream=" + m.world.Stream)
	m.Cleanup(stop)
	m.firefoxReport(proxy, func(r *FirefoxReport) bool { return len(r.Page.Drawn) > 90 })
	proxy.Order(FirefoxOrders{})
	return firefoxViewer{m, proxy}
}

func (v firefoxViewer) stall(ms int) error {
	v.proxy.Order(FirefoxOrders{StallMS: ms})
	return nil
}

func (v firefoxViewer) throttle(int) error { return fmt.Errorf("Firefox cannot be slowed down") }

func (v firefoxViewer) read([]string) (*PageLog, *Instruments, error) {
	if err := v.m.during(settled); err != nil {
		return nil, nil, err
	}
	v.proxy.Order(FirefoxOrders{Report: true})
	select { // one that was on its way when the orders were given before
	case <-v.proxy.Reports:
	default:
	}
	r := v.m.firefoxReport(v.proxy, func(*FirefoxReport) bool { return true })
	return &r.Page, &r.Browser, nil
}
