package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/api"
)

// DoorSettings say how the gateway is reached, and how much of it anybody may
// have. They are texts as in flags and the environment; see [openDoors].
type DoorSettings struct {
	TLSCert     string `yaml:"tls-cert"`
	TLSKey      string `yaml:"tls-key"`
	BehindProxy string `yaml:"behind-proxy"`
	Insecure    string `yaml:"insecure"`

	Monitor         string `yaml:"monitor"`
	MonitorAnywhere string `yaml:"monitor-anywhere"`
	AccessLog       string `yaml:"access-log"`

	TenantRequests        string `yaml:"tenant-requests"`
	TenantBytes           string `yaml:"tenant-bytes"`
	TenantItems           string `yaml:"tenant-items"`
	WrongKeys             string `yaml:"wrong-keys"`
	Requests              string `yaml:"requests-at-once"`
	Streams               string `yaml:"streams-at-once"`
	Connections           string `yaml:"connections"`
	ConnectionsPerAddress string `yaml:"connections-per-address"`
}

var doorHelp = []settingText{
	{"tls-cert", "", "certificate (PEM) to serve TLS with; read again when it changes"},
	{"tls-key", "", "key (PEM) of the certificate"},
	{"behind-proxy", "", "networks (CIDR, comma between) of the proxies that speak TLS for the gateway and are believed about their clients"},
	{"insecure", "false", "listen beyond this machine without TLS and without a proxy"},
	{"monitor", "", "address for /metrics and /debug/pprof, such as 127.0.0.1:9090 (default: none)"},
	{"monitor-anywhere", "false", "let --monitor listen beyond this machine: whoever reaches it reads memory and numbers"},
	{"access-log", "false", "log a line for every request"},
	{"tenant-requests", "1000", "requests a second of one tenant; 0: no limit"},
	{"tenant-bytes", "50000000", "bytes a second of one tenant's bodies; 0: no limit"},
	{"tenant-items", "500", "declarations a second that one tenant files or tries one by one; 0: no limit"},
	{"wrong-keys", "60", "wrong keys a minute from one address; 0: no limit"},
	{"requests-at-once", "400", "requests under way; beyond it they are answered 503 at once; 0: no limit"},
	{"streams-at-once", "5000", "event streams that are open; 0: no limit"},
	{"connections", "10000", "connections that are open; 0: no limit"},
	{"connections-per-address", "2000", "connections from one address, unless it is a proxy's or this machine's; 0: no limit"},
}

// addDoors declares the flags of commands that serve. The others find these
// settings in the same file, and leave them alone.
func addDoors(command *cobra.Command) {
	flags := command.Flags()
	for _, setting := range doorHelp {
		flags.String(setting.name, setting.fallback, setting.help)
		if setting.fallback == "false" {
			flags.Lookup(setting.name).NoOptDefVal = "true"
		}
	}
}

// targets are where the settings of that help are kept.
func (d *DoorSettings) targets() map[string]*string {
	return map[string]*string{
		"tls-cert": &d.TLSCert, "tls-key": &d.TLSKey, "behind-proxy": &d.BehindProxy, "insecure": &d.Insecure,
		"monitor": &d.Monitor, "monitor-anywhere": &d.MonitorAnywhere, "access-log": &d.AccessLog,
		"tenant-requests": &d.TenantRequests, "tenant-bytes": &d.TenantBytes, "tenant-items": &d.TenantItems, "wrong-keys": &d.WrongKeys,
		"requests-at-once": &d.Requests, "streams-at-once": &d.Streams, "connections": &d.Connections, "connections-per-address": &d.ConnectionsPerAddress,
	}
}

// How long a client may take. A file, a stream and whatever else takes longer
// moves its own deadlines while something comes or goes.
const (
	headerTime = 5 * time.Second
	bodyTime   = 30 * time.Second
	answerBy   = 30 * time.Second
	idleTime   = 2 * time.Minute
	mostHeader = 32 << 10
)

// doors are how requests come in: over TLS or plain, from whom, and how many.
type doors struct {
	pair    *pair // nil without TLS
	trusted []netip.Prefix
	limits  api.Limits
	load    *api.Load
	keeper  *doorkeeper
	metrics *metrics
	note    func(api.Exchange)
}

// loopback is this machine: what stands in front of the gateway on it is
// believed where only this machine can reach the gateway.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// openDoors reads the settings. Every fault in them is a usage error.
func openDoors(s settings, log *slog.Logger) (*doors, error) {
	d, err := readDoors(s)
	if err != nil {
		return nil, usageError{err}
	}
	accessLog, err := isYes("access-log", s.AccessLog)
	if err != nil {
		return nil, usageError{err}
	}
	d.metrics = newMetrics()
	d.note = func(e api.Exchange) {
		d.metrics.note(e)
		if accessLog {
			logAccess(log, e)
		}
	}
	return d, nil
}

func readDoors(s settings) (*doors, error) {
	d := &doors{}
	var requests, streams, connections, perAddress int
	for name, number := range map[string]*int{
		"tenant-requests": &d.limits.Requests, "tenant-bytes": &d.limits.Bytes, "tenant-items": &d.limits.Items, "wrong-keys": &d.limits.Failures,
		"requests-at-once": &requests, "streams-at-once": &streams, "connections": &connections, "connections-per-address": &perAddress,
	} {
		var err error
		if *number, err = strconv.Atoi(*s.targets()[name]); err != nil || *number < 0 || *number > mostOfAnything {
			return nil, fmt.Errorf("--%s is a number from 0 to %d", name, mostOfAnything)
		}
	}
	d.load = api.NewLoad(requests, streams)
	local, err := isLocal(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if d.trusted, err = networks(s.BehindProxy); err != nil {
		return nil, err
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	if s.TLSCert != "" {
		if d.pair, err = openPair(s.TLSCert, s.TLSKey); err != nil {
			return nil, err
		}
	}
	insecure, err := isYes("insecure", s.Insecure)
	if err != nil {
		return nil, err
	}
	if !local && d.pair == nil && len(d.trusted) == 0 && !insecure {
		return nil, fmt.Errorf("--listen %s can be reached from elsewhere, where keys would travel in clear: give --tls-cert and --tls-key, or --behind-proxy with the networks of the proxy that speaks TLS (or --insecure)", s.Listen)
	}
	if err := checkMonitor(s); err != nil {
		return nil, err
	}
	if local && len(d.trusted) == 0 {
		d.trusted = loopback
	}
	d.keeper = newDoorkeeper(connections, perAddress, func(address netip.Addr) bool {
		return address.IsLoopback() || within(d.trusted, address)
	})
	return d, nil
}

// checkMonitor keeps what tells all about the process on this machine.
func checkMonitor(s settings) error {
	anywhere, err := isYes("monitor-anywhere", s.MonitorAnywhere)
	if err != nil || s.Monitor == "" {
		return err
	}
	local, err := isLocal(s.Monitor)
	if err != nil {
		return fmt.Errorf("--monitor: %w", err)
	}
	if !local && !anywhere {
		return fmt.Errorf("--monitor %s can be reached from elsewhere, where it shows memory and numbers to anybody: give an address of this machine (or --monitor-anywhere)", s.Monitor)
	}
	return nil
}

// mostOfAnything keeps quotas, which are ten seconds' worth, within an int.
const mostOfAnything = 1_000_000_000

func isYes(name, text string) (bool, error) {
	yes, err := strconv.ParseBool(text)
	if err != nil {
		err = fmt.Errorf("--%s is true or false", name)
	}
	return yes, err
}

// isLocal tells whether an address can be reached from this machine only.
func isLocal(listen string) (bool, error) {
	address, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return false, err
	}
	return address.IP.IsLoopback(), nil
}

func networks(text string) (found []netip.Prefix, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, errors.New("--behind-proxy: write networks such as 10.0.0.0/8, with a comma between; 192.0.2.7/32 is one address")
		}
		found = append(found, network.Masked())
	}
	return found, nil
}

func within(networks []netip.Prefix, address netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// handler is what stands before all pages and operations.
func (d *doors) handler(next http.Handler) http.Handler { return api.BehindProxy(d.trusted, next) }

// scheme is how the gateway is spoken to.
func (d *doors) scheme() string {
	if d.pair != nil {
		return "https"
	}
	return "http"
}

// server is how clients are waited for. HTTP/1 only: every bound here is by
// connection.
func (d *doors) server(handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      answerBy,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    mostHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState:         d.keeper.changed,
		Protocols:         &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	if d.pair != nil {
		server.TLSConfig = d.pair.config()
		server.ErrorLog = slog.NewLogLogger(noHandshakes{log.Handler()}, slog.LevelWarn)
	}
	return server
}

// noHandshakes is a log without clients that speak no TLS, or break off: the
// server tells of them like of trouble of its own.
type noHandshakes struct{ slog.Handler }

// Handle implements [slog.Handler].
func (n noHandshakes) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasPrefix(record.Message, "http: TLS handshake error") {
		return nil
	}
	return n.Handler.Handle(ctx, record)
}

// serve serves until the server is shut down.
func (d *doors) serve(server *http.Server, listener net.Listener) error {
	listener = d.keeper.listen(listener)
	if d.pair != nil {
		return server.ServeTLS(listener, "", "")
	}
	return server.Serve(listener)
}

// logAccess writes a line about a request: whose it was and how it went, not
// what was in it or asked for.
func logAccess(log *slog.Logger, e api.Exchange) {
	attributes := []any{
		"operation", e.Operation, "method", e.Method, "status", e.Status, "milliseconds", e.Took.Milliseconds(),
		"bytesIn", e.In, "bytesOut", e.Out, "requestId", e.RequestID,
	}
	for _, more := range [][2]string{{"tenant", e.Tenant}, {"problem", e.Problem}, {"traceId", e.TraceID}} {
		if more[1] != "" {
			attributes = append(attributes, more[0], more[1])
		}
	}
	log.Info("request", attributes...)
}
