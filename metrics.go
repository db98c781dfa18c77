package relay

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/framelock/relay/internal/stream"
	"github.com/framelock/relay/media/record"
)

// metrics is what the relay tells operators. Labels are bounded: streams, and
// reasons that the code names; never a viewer.
type metrics struct {
	gatherer prometheus.Gatherer

	drops    *prometheus.CounterVec   // stream, reason
	egress   *prometheus.CounterVec   // reason
	joins    *prometheus.HistogramVec // stream, snapshot
	sessions *prometheus.CounterVec   // stream, reason
	frames   *prometheus.HistogramVec // stream
	latency  *prometheus.HistogramVec // stream
	skipped  *prometheus.CounterVec   // stream
	markers  *prometheus.CounterVec   // stream
	lateness *prometheus.HistogramVec // stream
	actions  *prometheus.CounterVec   // stream, verdict, reason
	switches *prometheus.CounterVec   // stream, input, reason
	recorded *prometheus.CounterVec   // stream
	segments *prometheus.CounterVec   // stream
	keptSize *prometheus.GaugeVec     // stream
	kept     *prometheus.GaugeVec     // stream
	unkept   *prometheus.CounterVec   // stream, reason
	panics   prometheus.Counter
}

func newMetrics(r *Relay, registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		drops:  counter("input_drops_total", "Packets of studios that were not forwarded.", "stream", "reason"),
		egress: counter("egress_drops_total", "Packets and messages that were not sent to viewers.", "reason"),
		joins: histogram("join_seconds", "From a viewer's offer to its first packet of video, or of sound if it gets no video.",
			[]float64{.02, .05, .1, .2, .3, .5, 1, 2, 5}, "stream", "snapshot"),
		sessions: counter("sessions_ended_total", "Sessions of viewers that have ended.", "stream", "reason"),
		frames: histogram("frame_error_frames", "How many frames after its own an event was presented, as viewers report.",
			[]float64{0, 1, 2, 3, 5, 10, 30}, "stream"),
		latency: histogram("presented_latency_seconds", "From capture to presentation, as viewers report.",
			[]float64{.005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, 1, 2}, "stream"),
		skipped: counter("skipped_frames_total", "Frames that viewers' browsers did not present, as they report.", "stream"),
		markers: counter("markers_total", "Events that game servers published.", "stream"),
		lateness: histogram("marker_late_seconds", "How long its frame had left when an event came; 0 = in time.",
			[]float64{0, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}, "stream"),
		actions:  counter("actions_total", "Actions of viewers, by verdict and reason.", "stream", "verdict", "reason"),
		switches: counter("input_switches_total", "How often an encoder has taken over from the other.", "stream", "input", "reason"),
		recorded: counter("record_bytes_total", "Bytes written to a stream's recording.", "stream"),
		segments: counter("record_segments_total", "Segments of a stream's recording that were begun.", "stream"),
		keptSize: gauge("record_kept_bytes", "Bytes of a stream's recording on disk, when its newest segment began.", "stream"),
		kept:     gauge("record_kept_segments", "Segments of a stream's recording on disk, when its newest began.", "stream"),
		unkept:   counter("record_drops_total", "Packets that viewers were sent and the recording does not have.", "stream", "reason"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "relay", Name: "http_panics_total", Help: "Calls that ended in a bug of the relay.",
		}),
	}
	var own *prometheus.Registry
	if registerer == nil {
		own = prometheus.NewRegistry()
		registerer = own
	}
	m.gatherer = own
	if g, ok := registerer.(prometheus.Gatherer); ok {
		m.gatherer = g
	}
	var errs []error
	if own != nil { // an embedder's registry has its own
		errs = append(errs, own.Register(collectors.NewGoCollector()), own.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
	}
	for _, c := range []prometheus.Collector{
		m.drops, m.egress, m.joins, m.sessions, m.frames, m.latency, m.skipped, m.markers, m.lateness, m.actions, m.switches, m.panics,
		m.recorded, m.segments, m.keptSize, m.kept, m.unkept,
		buildInfo(), &streamCollector{r},
	} {
		errs = append(errs, registerer.Register(c))
	}
	return m, errors.Join(errs...)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "relay", Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "relay", Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: "relay", Name: name, Help: help, Buckets: buckets}, labels)
}

func buildInfo() prometheus.Collector {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "relay", Name: "build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	}, func() float64 { return 1 })
}

// Dropped implements egress.Drops for the shards, which serve all streams.
func (m *metrics) Dropped(reason string, n int) { m.egress.WithLabelValues(reason).Add(float64(n)) }

// stream returns the metrics of one stream.
func (m *metrics) stream(name string) stream.Metrics { return streamMetrics{m, name} }

type streamMetrics struct {
	*metrics
	name string
}

func (s streamMetrics) Dropped(reason string, n int) {
	s.drops.WithLabelValues(s.name, reason).Add(float64(n))
}

func (s streamMetrics) Joined(after time.Duration, snapshot bool) {
	label := "no"
	if snapshot {
		label = "yes"
	}
	s.joins.WithLabelValues(s.name, label).Observe(after.Seconds())
}

func (s streamMetrics) Left(reason string) { s.sessions.WithLabelValues(s.name, reason).Inc() }

func (s streamMetrics) Presented(frameError, skipped int, latency time.Duration) {
	s.frames.WithLabelValues(s.name).Observe(float64(frameError))
	s.skipped.WithLabelValues(s.name).Add(float64(skipped))
	s.latency.WithLabelValues(s.name).Observe(latency.Seconds())
}

func (s streamMetrics) Marked(late time.Duration) {
	s.markers.WithLabelValues(s.name).Inc()
	s.lateness.WithLabelValues(s.name).Observe(late.Seconds())
}

func (s streamMetrics) Acted(verdict, reason string) {
	s.actions.WithLabelValues(s.name, verdict, reason).Inc()
}

func (s streamMetrics) Switched(input, reason string) {
	s.switches.WithLabelValues(s.name, input, reason).Inc()
}

// streamCollector reads the state of every stream when metrics are asked for.
type streamCollector struct{ relay *Relay }

var (
	descViewers = describe("viewers", "Viewers of a stream.", "stream")
	descPaused  = describe("stream_paused", "1 while no video comes from the studio.", "stream")
	descHealthy = describe("stream_health_problems", "How many things are wrong with a stream; the API says which.", "stream")
	descSeq     = describe("stream_seq", "Newest event of a stream.", "stream")
	descPackets = describe("input_packets_total", "Packets from the studio.", "stream", "track")
	descLost    = describe("input_lost_total", "Packets lost between studio and relay.", "stream", "track")
	descDropped = describe("input_malformed_total", "Datagrams on a studio's port that were no RTP or too large.", "stream", "track")
	descBacklog = describe("journal_backlog", "What a stream has decided that is not durable yet, in lines.", "stream")
	descReady   = describe("journal_ready", "1 while a stream's journal takes what is decided.", "stream")
	descProblem = describe("stream_problem", "1 while a stream has the problem that the code names.", "stream", "code")
	descActive  = describe("input_active", "1 for the encoder that viewers are sent.", "stream", "input")
	descEncoder = describe("input_encoder_packets_total", "Packets from each encoder.", "stream", "track", "input")
	descPath    = describe("input_path_packets_total", "Packets of an encoder by each of its two paths.", "stream", "track", "input", "path")
	descTaken   = describe("viewer_actions_accepted_total", "Accepted actions of viewers, by the journal.", "stream")
	descGrace   = describe("viewer_actions_in_grace_total", "Of those, actions that came within the grace after the closing.", "stream")
	descRises   = describe("viewer_actions_rtt_rises_total", "Of those in the grace, actions with a round trip far above the viewer's usual one.", "stream")
	descSuspect = describe("viewer_action_suspects", "Viewers more than half of whose newest actions came within the grace.", "stream")
	descEpoch   = describe("input_epoch", "Count of sources and restarts of a track.", "stream", "track")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("relay_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *streamCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descViewers, descPaused, descHealthy, descSeq, descPackets, descLost, descDropped, descBacklog, descReady, descEpoch,
		descProblem, descActive, descEncoder, descPath, descTaken, descGrace, descRises, descSuspect} {
		ch <- d
	}
}

// scrapeTimeout is how long a stream may take to describe itself.
const scrapeTimeout = time.Second

// Collect implements prometheus.Collector.
func (c *streamCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for _, name := range c.relay.names {
		info, err := c.relay.streams[name].Info(ctx)
		if err != nil {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		gauge(descViewers, float64(info.Viewers))
		gauge(descPaused, boolean(info.Paused))
		gauge(descHealthy, float64(len(info.Health)))
		gauge(descSeq, float64(info.Seq))
		gauge(descBacklog, float64(info.Backlog))
		gauge(descReady, boolean(info.NotReady == ""))
		collectActions(ch, &info)
		collectProblems(ch, &info)
		collectInputs(ch, &info)
		for _, t := range info.Tracks {
			malformed, oversize := c.relay.dropped(name, t.Track)
			for d, v := range map[*prometheus.Desc]uint64{
				descPackets: t.Packets, descLost: t.Lost, descDropped: malformed + oversize,
			} {
				ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), name, t.Track)
			}
			ch <- prometheus.MustNewConstMetric(descEpoch, prometheus.GaugeValue, float64(t.Epoch), name, t.Track)
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collectActions counts what viewers who deceive would show (docs/windows.md).
func collectActions(ch chan<- prometheus.Metric, info *Info) {
	for d, n := range map[*prometheus.Desc]uint64{
		descTaken: info.Actions.Accepted, descGrace: info.Actions.InGrace, descRises: info.Actions.RTTRises,
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), info.Name)
	}
	ch <- prometheus.MustNewConstMetric(descSuspect, prometheus.GaugeValue, float64(info.Actions.Suspects), info.Name)
}

// collectProblems says of every code whether a stream has that problem.
func collectProblems(ch chan<- prometheus.Metric, info *Info) {
	for _, code := range stream.HealthCodes() {
		has := 0.0
		if slices.ContainsFunc(info.Health, func(p Problem) bool { return p.Code == code }) {
			has = 1
		}
		ch <- prometheus.MustNewConstMetric(descProblem, prometheus.GaugeValue, has, info.Name, code)
	}
}

// collectInputs counts what comes from each encoder.
func collectInputs(ch chan<- prometheus.Metric, info *Info) {
	for _, in := range info.Inputs.Inputs {
		on := 0.0
		if in.Input == info.Inputs.Active {
			on = 1
		}
		ch <- prometheus.MustNewConstMetric(descActive, prometheus.GaugeValue, on, info.Name, in.Input)
		for _, t := range in.Tracks {
			ch <- prometheus.MustNewConstMetric(descEncoder, prometheus.CounterValue, float64(t.Packets), info.Name, t.Track, in.Input)
			for i, p := range t.Paths {
				ch <- prometheus.MustNewConstMetric(descPath, prometheus.CounterValue, float64(p.Packets),
					info.Name, t.Track, in.Input, [...]string{"first", "second"}[i])
			}
		}
	}
}

// recordMetrics are those of one stream's recording.
type recordMetrics struct {
	bytes, segments prometheus.Counter
	keptSize, kept  prometheus.Gauge
	drops           *prometheus.CounterVec
	name            string
}

func (m *metrics) recording(stream string) record.Metrics {
	return recordMetrics{
		m.recorded.WithLabelValues(stream), m.segments.WithLabelValues(stream),
		m.keptSize.WithLabelValues(stream), m.kept.WithLabelValues(stream), m.unkept, stream,
	}
}

// Recorded implements record.Metrics.
func (m recordMetrics) Recorded(bytes int) { m.bytes.Add(float64(bytes)) }

// SegmentBegun implements record.Metrics.
func (m recordMetrics) SegmentBegun() { m.segments.Inc() }

// Kept implements record.Metrics.
func (m recordMetrics) Kept(segments int, bytes int64) {
	m.kept.Set(float64(segments))
	m.keptSize.Set(float64(bytes))
}

// Dropped implements record.Metrics.
func (m recordMetrics) Dropped(reason string, n int) {
	m.drops.WithLabelValues(m.name, reason).Add(float64(n))
}
