package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/batch"
)

// What the ledger is asked for a scrape is asked at most so often, and may
// take so long: monitoring must not add to the trouble it shows.
const (
	standingFor  = 5 * time.Second
	standingTime = 2 * time.Second
)

// metrics are the numbers that Prometheus reads. docs/operations.md lists them.
// No label holds what a tenant or a stranger may choose.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	problems *prometheus.CounterVec
	took     *prometheus.HistogramVec
	in, out  prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "singlewindow_http_requests_total", Help: "Requests answered."}, []string{"operation", "status"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "singlewindow_http_problems_total", Help: "Answers that were a problem."}, []string{"code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "singlewindow_http_request_duration_seconds", Help: "Time to answer, streams left out.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
		in:  prometheus.NewCounter(prometheus.CounterOpts{Name: "singlewindow_http_request_bytes_total", Help: "Bytes of bodies announced by clients."}),
		out: prometheus.NewCounter(prometheus.CounterOpts{Name: "singlewindow_http_response_bytes_total", Help: "Bytes of bodies answered."}),
	}
	m.registry.MustRegister(m.requests, m.problems, m.took, m.in, m.out, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// note counts a request.
func (m *metrics) note(e api.Exchange) {
	status := "none"
	if e.Status > 0 {
		status = strconv.Itoa(e.Status/100) + "xx"
	}
	m.requests.WithLabelValues(e.Operation, status).Inc()
	if e.Problem != "" {
		m.problems.WithLabelValues(e.Problem).Inc()
	}
	if !e.Stream {
		m.took.WithLabelValues(e.Operation).Observe(e.Took.Seconds())
	}
	m.in.Add(float64(max(0, e.In)))
	m.out.Add(float64(e.Out))
}

// gauges are the numbers that are looked up when they are asked for.
type gauges struct {
	gateway *gateway

	mu     sync.Mutex
	asked  time.Time
	latest *standing // nil when the ledger could not be asked
}

// standing is what the ledger told.
type standing struct {
	declare.Standing
	batches  batch.Standing
	lag      time.Duration
	agencies []declare.AgencyHealth
}

// described are the descriptions of gauges, by name without what all begin
// with.
var described = func() map[string]*prometheus.Desc {
	all := map[string]*prometheus.Desc{}
	for _, d := range []struct {
		name, help string
		labels     []string
	}{
		{"build_info", "1, with the version.", []string{"version"}},
		{"http_in_flight", "Requests under way.", nil},
		{"http_streams", "Event streams that are open.", nil},
		{"http_shed_total", "Requests turned away because too many were under way.", nil},
		{"connections", "Connections that are open.", nil},
		{"connections_refused_total", "Connections closed because there were too many.", nil},
		{"submissions_total", "Declarations handed in, also in files, by what became of them.", []string{"outcome"}},
		{"message_attempts_total", "Attempts to deliver a message, by what they came to.", []string{"agency", "delivery"}},
		{"queue_messages", "Messages that wait for an agency, counted to 10,000.", []string{"agency"}},
		{"queue_oldest_seconds", "How long the oldest of them has waited.", []string{"agency"}},
		{"agency_state", "1 for the state an agency is in.", []string{"agency", "state"}},
		{"tasks_open", "Tasks that wait for an officer, counted to 10,000.", []string{"kind"}},
		{"notices_unmatched", "Notices that nothing here answers, counted to 10,000.", nil},
		{"event_lag_seconds", "How long the oldest event has waited to be told.", nil},
		{"batches_open", "Files that are not done.", []string{"state"}},
		{"batch_rows_open", "Rows read of files that are not done.", nil},
		{"batch_declarations_waiting", "Declarations in files without a verdict.", nil},
		{"database_connections", "Connections to the database.", []string{"state"}},
		{"database_waits_total", "Times that a connection to the database had to be waited for.", nil},
		{"ledger_read", "1 when the numbers from the ledger are there, 0 when it could not be asked.", nil},
	} {
		all[d.name] = prometheus.NewDesc("singlewindow_"+d.name, d.help, d.labels, nil)
	}
	return all
}()

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(into chan<- *prometheus.Desc) {
	for _, description := range described {
		into <- description
	}
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(into chan<- prometheus.Metric) {
	gauge := func(name string, value float64, labels ...string) {
		into <- prometheus.MustNewConstMetric(described[name], prometheus.GaugeValue, value, labels...)
	}
	count := func(name string, value int, labels ...string) {
		into <- prometheus.MustNewConstMetric(described[name], prometheus.CounterValue, float64(value), labels...)
	}
	gauge("build_info", 1, version)
	requests, streams, shed := g.gateway.doors.load.Now()
	gauge("http_in_flight", float64(requests))
	gauge("http_streams", float64(streams))
	count("http_shed_total", shed)
	open, refused := g.gateway.doors.keeper.now()
	gauge("connections", float64(open))
	count("connections_refused_total", refused)
	counts := g.gateway.gateway.Counts()
	for _, fate := range declare.Fates {
		count("submissions_total", counts.Submissions[fate], string(fate))
	}
	for attempt, number := range counts.Attempts {
		count("message_attempts_total", number, attempt.Agency, string(attempt.Delivery))
	}
	pool := g.gateway.ledger.Pool().Stat()
	gauge("database_connections", float64(pool.AcquiredConns()), "busy")
	gauge("database_connections", float64(pool.IdleConns()), "idle")
	gauge("database_connections", float64(pool.MaxConns()), "most")
	count("database_waits_total", int(pool.EmptyAcquireCount()))
	now := g.look()
	if now == nil {
		gauge("ledger_read", 0)
		return
	}
	gauge("ledger_read", 1)
	now.collect(gauge)
}

func (s *standing) collect(gauge func(name string, value float64, labels ...string)) {
	for _, agency := range s.agencies {
		name := agency.Profile.Name
		gauge("agency_state", 1, name, agency.State)
		gauge("queue_messages", float64(s.Queues[name].Waiting), name)
		gauge("queue_oldest_seconds", s.Queues[name].Oldest.Seconds(), name)
	}
	for kind, number := range s.Tasks {
		gauge("tasks_open", float64(number), kind)
	}
	gauge("notices_unmatched", float64(s.Unmatched))
	gauge("event_lag_seconds", s.lag.Seconds())
	gauge("batches_open", float64(s.batches.Reading), string(batch.Reading))
	gauge("batches_open", float64(s.batches.Filing), string(batch.Filing))
	gauge("batch_rows_open", float64(s.batches.Rows))
	gauge("batch_declarations_waiting", float64(s.batches.Waiting))
}

// look asks the ledger, unless it was asked a moment ago. One asks, the others
// wait for it.
func (g *gauges) look() *standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.asked) < standingFor {
		return g.latest
	}
	ctx, cancel := context.WithTimeout(context.Background(), standingTime)
	defer cancel()
	s := &standing{}
	var queues, batches, lag, agencies error
	s.Standing, queues = g.gateway.gateway.Standing(ctx)
	s.batches, batches = g.gateway.batches.Standing(ctx)
	s.lag, lag = g.gateway.events.Lag(ctx)
	s.agencies, agencies = g.gateway.gateway.Agencies(ctx)
	g.latest, g.asked = s, time.Now()
	if errors.Join(queues, batches, lag, agencies) != nil {
		g.latest = nil // the gateway itself tells why
	}
	return g.latest
}

// monitor is the second listener, for whoever runs the gateway.
type monitor struct {
	server *http.Server
	served chan error
}

// openMonitor listens where the settings say; nil when they do not.
func (g *gateway) openMonitor(log *slog.Logger) (*monitor, error) {
	if g.settings.Monitor == "" {
		return nil, nil
	}
	g.doors.metrics.registry.MustRegister(&gauges{gateway: g})
	listener, err := net.Listen("tcp", g.settings.Monitor)
	if err != nil {
		return nil, fmt.Errorf("--monitor: %w", err)
	}
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", promhttp.HandlerFor(g.doors.metrics.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}))
	for path, page := range map[string]http.HandlerFunc{"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
		pages.HandleFunc("GET /debug/pprof/"+path, page)
	}
	anywhere, err := isYes("monitor-anywhere", g.settings.MonitorAnywhere)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	var handler http.Handler = pages
	if !anywhere {
		handler = askedByAddress(pages)
	}
	m := &monitor{&http.Server{Handler: handler, ReadHeaderTimeout: headerTime, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}, make(chan error, 1)}
	go func() { m.served <- m.server.Serve(listener) }()
	log.Info("monitoring", "address", "http://"+listener.Addr().String())
	return m, nil
}

// askedByAddress refuses whoever asks by another name than localhost: a page of
// the web can have its own name lead to this machine, and a browser that runs
// here would read memory for it.
func askedByAddress(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host // without a port
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			http.Error(w, "ask by an address, or see --monitor-anywhere", http.StatusForbidden)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// close ends the second listener and whatever is read there.
func (m *monitor) close(log *slog.Logger) {
	if m == nil {
		return
	}
	err := m.server.Close()
	if served := <-m.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		log.Warn("monitoring did not end well", "error", err)
	}
}
