package relay

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/framelock/relay/sync/window"
)

// infoCollector collects what is told of one stream's actions.
type infoCollector Info

func (c *infoCollector) Describe(ch chan<- *prometheus.Desc) { (&streamCollector{}).Describe(ch) }

func (c *infoCollector) Collect(ch chan<- prometheus.Metric) { collectActions(ch, (*Info)(c)) }

// What viewers do in the grace is told of the stream, and of nobody by name.
func TestActionsInTheGraceAreMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&infoCollector{
		Name: "wheel", Actions: window.AnomalyTotals{Accepted: 12, InGrace: 5, RTTRises: 2, Suspects: 1},
	})
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`relay_viewer_action_suspects{stream="wheel"} 1`,
		`relay_viewer_actions_accepted_total{stream="wheel"} 12`,
		`relay_viewer_actions_in_grace_total{stream="wheel"} 5`,
		`relay_viewer_actions_rtt_rises_total{stream="wheel"} 2`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
