package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
	"singlewindow/declare/account"
)

// programs builds the two binaries once per run, in the folder of the run's
// PostgreSQL, which TestMain removes, and gives the folder they are in.
var programs = sync.OnceValues(func() (string, error) {
	return built("programs", "singlewindow/cmd/singlewindow", "singlewindow/cmd/agencysim")
})

// faulty builds the gateway that can be told where to fail, see
// declare/point_faults.go.
var faulty = sync.OnceValues(func() (string, error) {
	return built("faulty", "-tags", "faults", "singlewindow/cmd/singlewindow")
})

func built(name string, arguments ...string) (string, error) {
	address, err := url.Parse(server.URL())
	if err != nil {
		return "", err
	}
	folder := filepath.Join(filepath.Dir(address.Query().Get("host")), name) + string(filepath.Separator)
	// Nobody debugs them: a quarter of the building is spared.
	build := exec.Command("go", slices.Concat([]string{"build", "-gcflags=all=-dwarf=false", "-ldflags=-w", "-o", folder}, arguments)...)
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return folder, nil
}

// kinds are loaded once: compiling their rules takes a while.
var kinds = sync.OnceValues(declare.LoadKinds)

// embedded are the agencies built in, loaded once and never closed: they only
// read what agencies say, and loading takes two seconds of a processor.
var embedded = sync.OnceValues(func() ([]*adapters.Agency, error) { return adapters.LoadAll(adapters.Embedded(), nil) })

// The enterprises of every line.
const (
	acme = "acme"
	bolt = "bolt"
)

// A line is a whole installation for one test: a database of its own, and the
// gateway and every agency as processes that speak real HTTP.
type line struct {
	lineOptions
	folder   string // of everything on disk; also the first gateway's --data
	database string // URL; "" until a gateway with a private PostgreSQL runs
	keys     map[string]string
	offices  map[string]*office
	gateways []*door
	gateway  *door         // the first of them
	turn     atomic.Uint32 // whose it is to be asked
	client   *http.Client
}

type lineOptions struct {
	folders  string   // directory of agency folders; "": the embedded ones
	connect  []string // agencies with an address; nil: all that can be played
	pace     string   // between notices
	slow     string   // how late the word slow is answered
	mute     bool     // the agencies send no notices
	faults   bool     // the gateways can be told where to fail
	private  bool     // the gateway runs its own PostgreSQL
	gateways int      // processes on the one database; 0 is one
	unopened []string // agencies whose process is not started with the line
	at       string   // the database's URL; "": a new one in the run's PostgreSQL
	via      string   // the URL the gateway is given; "": the database's own
	flags    []string // more of the gateways'

	hold func(given answer, err error, took time.Duration) // sees every answer to the load; may be nil
}

// A door is a gateway as a process.
type door struct {
	*process        // nil before its first start
	address  string // where it listens
	folder   string // its --data
}

// An office is an agency as a process.
type office struct {
	agency     *adapters.Agency // its folder, for reading what it says
	address    string
	credential string // shown to the gateway with notices
	ledger     string // file of effects
	trouble    string // file that says what ails it
	process    *process
}

// newLine starts everything and stops it when the test ends.
func newLine(t *testing.T, options lineOptions) *line {
	t.Helper()
	l := &line{lineOptions: options, keys: map[string]string{}, offices: map[string]*office{}}
	l.pace, l.slow = cmp.Or(l.pace, "60ms"), cmp.Or(l.slow, "300ms")
	var err error
	l.folder, err = os.MkdirTemp("", "swline")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(l.folder)) })
	must(t, os.Chmod(l.folder, 0o711)) // the private PostgreSQL's user must get in
	l.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(l.client.CloseIdleConnections)
	l.loadOffices(t)
	l.openDoors(t)
	l.enroll(t)
	var opened []*office
	for name, office := range l.offices {
		if !slices.Contains(l.unopened, name) {
			l.launchOffice(t, name)
			opened = append(opened, office)
		}
	}
	for _, gateway := range l.gateways {
		l.launch(t, gateway)
	}
	for _, office := range opened {
		office.awaitOpen(t)
	}
	for _, gateway := range l.gateways {
		l.awaitReady(t, gateway)
	}
	return l
}

// openDoors gives every gateway its address and its data folder.
func (l *line) openDoors(t *testing.T) {
	t.Helper()
	for number := range max(1, l.lineOptions.gateways) {
		folder := l.folder
		if number > 0 {
			folder = filepath.Join(l.folder, fmt.Sprintf("gateway-%d", number+1))
			must(t, os.Mkdir(folder, 0o700))
		}
		l.gateways = append(l.gateways, &door{address: freeAddress(t), folder: folder})
	}
	l.gateway = l.gateways[0]
}

// loadOffices finds the agencies that can be played and gives each an address.
func (l *line) loadOffices(t *testing.T) {
	t.Helper()
	all, err := embedded()
	if l.folders != "" {
		all, err = adapters.LoadAll(os.DirFS(l.folders), nil)
		for _, agency := range all {
			t.Cleanup(agency.Close)
		}
	}
	must(t, err)
	for _, agency := range all {
		name := agency.Profile().Name
		if agency.Script() == nil || l.connect != nil && !slices.Contains(l.connect, name) {
			continue
		}
		l.offices[name] = &office{agency: agency, address: freeAddress(t), ledger: filepath.Join(l.folder, name+".effects"), trouble: filepath.Join(l.folder, name+".trouble")}
	}
	if len(l.offices) == 0 {
		t.Fatal("no agency can be played")
	}
}

func (l *line) acceptFile(agency string) string {
	return filepath.Join(l.folder, agency+".gateway-credential")
}

// enroll makes the enterprises, their keys and the agencies' credentials, in
// a database of the test's own or in the gateway's future private one.
func (l *line) enroll(t *testing.T) {
	t.Helper()
	var at string
	if l.private {
		own, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Folder: l.folder})
		must(t, err)
		defer func() { must(t, own.Stop(context.Background())) }()
		at = own.URL()
	} else {
		if at = l.at; at == "" {
			at = migratedDatabase(t)
		}
		l.database = at
	}
	secret := make([]byte, 32)
	_, err := rand.Read(secret)
	must(t, err)
	for _, gateway := range l.gateways {
		must(t, os.WriteFile(filepath.Join(gateway.folder, "key-secret"), secret, 0o600))
	}
	ledger, err := declare.OpenLedger(t.Context(), at, time.Now())
	must(t, err)
	defer ledger.Close()
	accounts, err := account.Open(t.Context(), ledger, secret, newIDs(), time.Now, rand.Reader)
	must(t, err)
	for _, tenant := range []string{acme, bolt} {
		must(t, accounts.CreateTenant(t.Context(), tenant, tenant))
		key, err := accounts.CreateKey(t.Context(), tenant, "line")
		must(t, err)
		l.keys[tenant] = key.Secret
	}
	for name, office := range l.offices {
		must(t, os.WriteFile(l.acceptFile(name), []byte(rand.Text()), 0o600))
		office.credential, err = accounts.CreateAgencyCredential(t.Context(), name)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(l.folder, name+".agency-credential"), []byte(office.credential), 0o600))
	}
}

// openOffice starts an agency's process at its address and waits until it
// listens.
func (l *line) openOffice(t *testing.T, name string) {
	t.Helper()
	l.launchOffice(t, name)
	l.offices[name].awaitOpen(t)
}

func (l *line) launchOffice(t *testing.T, name string) {
	t.Helper()
	office := l.offices[name]
	arguments := []string{
		"--agency", name, "--listen", office.address, "--ledger", office.ledger, "--trouble", office.trouble, "--pace", l.pace, "--slow", l.slow,
		"--credential-file", filepath.Join(l.folder, name+".agency-credential"), "--accept-credential-file", l.acceptFile(name),
	}
	if l.folders != "" {
		arguments = append(arguments, "--agencies", l.folders)
	}
	if !l.mute {
		var addresses []string
		for _, gateway := range l.gateways {
			addresses = append(addresses, "http://"+gateway.address)
		}
		arguments = append(arguments, "--gateway", strings.Join(addresses, ","))
	}
	office.process = l.start(t, "agencysim", name, arguments...)
}

func (o *office) awaitOpen(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, o.process.name+" listens", func() bool {
		o.process.mustRun(t)
		return reachable(o.address)
	})
}

// startGateway starts the first gateway, see startDoor.
func (l *line) startGateway(t *testing.T) {
	t.Helper()
	l.startDoor(t, l.gateway)
}

// startDoor starts a gateway at its address and waits until it is ready.
func (l *line) startDoor(t *testing.T, gateway *door) {
	t.Helper()
	l.launch(t, gateway)
	l.awaitReady(t, gateway)
}

func (l *line) launch(t *testing.T, gateway *door) {
	t.Helper()
	arguments := []string{"serve", "--listen", gateway.address, "--data", gateway.folder}
	if !l.private {
		arguments = append(arguments, "--database", cmp.Or(l.via, l.database))
	}
	if l.folders != "" {
		arguments = append(arguments, "--agency-folders", l.folders)
	}
	for name, office := range l.offices {
		arguments = append(arguments, "--agency", name+"=http://"+office.address+","+l.acceptFile(name))
	}
	arguments = append(arguments, l.flags...)
	gateway.process = l.start(t, "singlewindow", "gateway", arguments...)
}

func (l *line) awaitReady(t *testing.T, gateway *door) {
	t.Helper()
	eventually(t, 30*time.Second, "the gateway is ready", func() bool {
		gateway.mustRun(t)
		ready, err := l.tryAt(t.Context(), gateway, "", http.MethodGet, "/readyz", nil)
		return err == nil && ready.status == http.StatusOK
	})
	if l.private {
		var running bool
		l.database, running = privatepostgres.Running(t.Context(), privatepostgres.Options{Folder: l.folder})
		if !running {
			t.Fatal("the gateway's private PostgreSQL does not run")
		}
	}
}

// A process is a program under test.
type process struct {
	name    string
	command *exec.Cmd
	log     string
	ended   chan struct{}
	exit    error // how it ended, once ended is closed
}

// command is a program with its arguments, in the build that the line wants.
func (l *line) command(t *testing.T, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	build := programs
	if l.faults && program == "singlewindow" {
		build = faulty
	}
	folder, err := build()
	must(t, err)
	command := exec.Command(filepath.Join(folder, program), arguments...)
	command.Dir = l.folder // no configuration file there
	if l.faults {
		command.Env = append(os.Environ(), "SINGLEWINDOW_FAULT="+l.faultFile())
	}
	return command
}

// start starts a program whose log is shown when the test fails.
func (l *line) start(t *testing.T, program, name string, arguments ...string) *process {
	t.Helper()
	p := &process{name: name, command: l.command(t, program, arguments...), ended: make(chan struct{})}
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.CreateTemp(l.folder, name+".*.log")
	must(t, err)
	p.log, p.command.Stderr = log.Name(), log
	must(t, p.command.Start())
	must(t, log.Close())
	go func() {
		defer close(p.ended)
		p.exit = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("log of %s (%v):\n%s", name, p.exit, p.lastWords(t))
		}
	})
	return p
}

func (p *process) lastWords(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.log)
	must(t, err)
	return string(content[max(0, len(content)-4000):])
}

// running tells whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// mustRun: no gateway has ended.
func (l *line) mustRun(t *testing.T) {
	t.Helper()
	for _, gateway := range l.gateways {
		gateway.mustRun(t)
	}
}

func (p *process) mustRun(t *testing.T) {
	t.Helper()
	if !p.running() {
		t.Fatalf("%s ended: %v\n%s", p.name, p.exit, p.lastWords(t))
	}
}

// stop asks the process to end, which it must do well within a minute.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if !p.running() {
		return
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-p.ended:
		if p.exit != nil {
			t.Errorf("%s was asked to stop: %v\n%s", p.name, p.exit, p.lastWords(t))
		}
	case <-time.After(50 * time.Second):
		t.Errorf("%s does not stop\n%s", p.name, p.lastWords(t))
		p.kill(t)
	}
}

// kill ends the process as a crash would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-p.ended
}

var lastPort atomic.Int32

// freeAddress gives an address that nothing listens at. Its port is below
// those the system hands out, so that it stays free while its owner is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	lastPort.CompareAndSwap(0, int32(15000+os.Getpid()%9000))
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+(lastPort.Add(1)-10000)%20000)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		must(t, listener.Close())
		return address
	}
	t.Fatal("no port is free")
	return ""
}

func reachable(address string) bool {
	connection, err := net.Dial("tcp", address)
	return err == nil && connection.Close() == nil
}

// try makes one request to the gateways in turn: to the next one that listens.
func (l *line) try(ctx context.Context, bearer, method, path string, body []byte, headers ...string) (given answer, err error) {
	turn := int(l.turn.Add(1))
	for offset := range l.gateways {
		given, err = l.tryAt(ctx, l.gateways[(turn+offset)%len(l.gateways)], bearer, method, path, body, headers...)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
	}
	return given, err
}

// tryAt makes one request; headers are names and values in turn.
func (l *line) tryAt(ctx context.Context, gateway *door, bearer, method, path string, body []byte, headers ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+gateway.address+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := l.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, content}, errors.Join(err, response.Body.Close())
}

// ask makes one request that must be answered.
func (l *line) ask(t *testing.T, bearer, method, path string, body []byte, headers ...string) answer {
	t.Helper()
	given, err := l.try(t.Context(), bearer, method, path, body, headers...)
	must(t, err)
	return given
}

// submit files a body under an idempotency key.
func (l *line) submit(ctx context.Context, tenant, key string, body []byte) (answer, error) {
	return l.try(ctx, l.keys[tenant], http.MethodPost, "/v1/declarations", body, "Content-Type", "application/json", "Idempotency-Key", key)
}

// file files a sample under a reference; it must be taken.
func (l *line) file(t *testing.T, tenant string, from sample, reference string) declare.Status {
	t.Helper()
	given, err := l.submit(t.Context(), tenant, "key-"+reference, from.as(t, reference))
	must(t, err)
	if given.status != http.StatusAccepted {
		t.Fatalf("%s of %s: %d %s", reference, from.name, given.status, given.body)
	}
	return decoded[declare.Status](t, given)
}

// status asks where a declaration stands.
func (l *line) status(t *testing.T, tenant, id string) declare.Status {
	t.Helper()
	given := l.ask(t, l.keys[tenant], http.MethodGet, "/v1/declarations/"+id, nil)
	if given.status != http.StatusOK {
		t.Fatalf("%s: %d %s", id, given.status, given.body)
	}
	return decoded[declare.Status](t, given)
}

// health asks how an agency is doing.
func (l *line) health(t *testing.T, agency string) api.AgencyView {
	t.Helper()
	given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/agencies", nil)
	for _, view := range decoded[struct{ Agencies []api.AgencyView }](t, given).Agencies {
		if view.Name == agency {
			return view
		}
	}
	t.Fatalf("%s is not listed: %s", agency, given.body)
	return api.AgencyView{}
}

// filingAt is a declaration's filing at one agency.
func filingAt(t *testing.T, status declare.Status, agency string) declare.FilingStatus {
	t.Helper()
	for _, filing := range status.Filings {
		if filing.Agency == agency {
			return filing
		}
	}
	t.Fatalf("%s has no filing at %s", status.Reference, agency)
	return declare.FilingStatus{}
}

// count asks the database, past row-level security.
func (l *line) count(t *testing.T, query string, arguments ...any) (number int) {
	t.Helper()
	l.query(t, query, arguments, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), query, arguments...).Scan(&number)
	})
	return number
}

func (l *line) query(t *testing.T, query string, arguments []any, read func(*pgx.Conn) error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.database)
	must(t, err)
	if err := read(conn); err != nil {
		t.Fatalf("%s %v: %v", query, arguments, err)
	}
	must(t, conn.Close(context.Background()))
}

// A sample is one valid declaration of a kind's own.
type sample struct {
	name string
	tree map[string]any
}

// samples are all of every kind's.
func samples(t *testing.T) []sample {
	t.Helper()
	known, err := kinds()
	must(t, err)
	var found []sample
	for _, kind := range slices.Sorted(maps.Keys(known)) {
		files, err := fs.Glob(known[kind].Samples, "*.json")
		must(t, err)
		for _, file := range files {
			content, err := fs.ReadFile(known[kind].Samples, file)
			must(t, err)
			found = append(found, sample{file, treeOf(t, content)})
		}
	}
	if len(found) < 5 {
		t.Fatalf("only %d samples", len(found))
	}
	return found
}

func sampleNamed(t *testing.T, name string) sample {
	t.Helper()
	for _, found := range samples(t) {
		if found.name == name {
			return found
		}
	}
	t.Fatalf("no sample %s", name)
	return sample{}
}

func treeOf(t *testing.T, content []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var tree map[string]any
	must(t, decoder.Decode(&tree))
	return tree
}

// as gives the sample's text under another reference.
func (s sample) as(t *testing.T, reference string) []byte {
	t.Helper()
	tree := maps.Clone(s.tree)
	tree["reference"] = reference
	body, err := json.Marshal(tree)
	must(t, err)
	return body
}

// widest is the sample that concerns most agencies of the line, and which.
func (l *line) widest(t *testing.T) (sample, []string) {
	t.Helper()
	var widest sample
	var most []string
	for _, candidate := range samples(t) {
		if takers := l.takers(t, candidate); len(takers) > len(most) {
			widest, most = candidate, takers
		}
	}
	if len(most) < 2 && len(l.offices) > 1 {
		t.Fatal("no sample concerns two agencies")
	}
	return widest, most
}

// takers are the agencies of the line that a sample concerns.
func (l *line) takers(t *testing.T, s sample) (names []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(l.offices)) {
		kind, _ := s.tree["kind"].(string) // a sample has one
		takes, err := l.offices[name].agency.Takes(kind, s.tree)
		must(t, err)
		if takes {
			names = append(names, name)
		}
	}
	return names
}

// sentNotice is a line of an agency's ledger of notices.
type sentNotice struct {
	DeliveryID string
	Template   string
	Digest     string
	Status     int
	At         time.Time
}

func (o *office) effects(t *testing.T) []adapters.Effect {
	t.Helper()
	return linesOf[adapters.Effect](t, o.ledger)
}

func (o *office) notices(t *testing.T) []sentNotice {
	t.Helper()
	return linesOf[sentNotice](t, o.ledger+".notices")
}

// linesOf reads a file of JSON lines, without a last line still being written.
func linesOf[T any](t *testing.T, file string) (entries []T) {
	t.Helper()
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	lines := bufio.NewScanner(bytes.NewReader(content[:bytes.LastIndexByte(content, '\n')+1]))
	for lines.Scan() {
		var entry T
		must(t, json.Unmarshal(lines.Bytes(), &entry))
		entries = append(entries, entry)
	}
	must(t, lines.Err())
	return entries
}

// closeOffices stops every agency's process, which sends what it owes first.
func (l *line) closeOffices(t *testing.T) {
	t.Helper()
	for _, office := range l.offices {
		if office.process != nil {
			office.process.stop(t)
		}
	}
}

// mustAgree holds the agencies' ledgers against the receipts and the database:
// each message of each receipt took effect exactly once where it was meant to,
// with the bytes that are on file, and nothing else took effect anywhere.
func (l *line) mustAgree(t *testing.T, receipts []declare.Status) {
	t.Helper()
	type sent struct{ agency, digest string }
	onFile := map[string]sent{}
	l.query(t, "messages", nil, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT id, agency, encode(digest, 'hex') FROM message")
		if err != nil {
			return err
		}
		var id string
		var m sent
		_, err = pgx.ForEachRow(rows, []any{&id, &m.agency, &m.digest}, func() error {
			onFile[id] = m
			return nil
		})
		return err
	})
	effects := map[string]int{}
	for name, office := range l.offices {
		for _, effect := range office.effects(t) {
			effects[effect.DeliveryID]++
			if message, known := onFile[effect.DeliveryID]; !known || message != (sent{name, effect.Digest}) {
				t.Errorf("%s took %s with digest %s; on file: %+v", name, effect.DeliveryID, effect.Digest, message)
			}
		}
	}
	messages := 0
	for _, receipt := range receipts {
		for _, filing := range receipt.Filings {
			messages++
			if effects[filing.MessageID] != 1 {
				t.Errorf("%s took effect %d times at %s (%s)", filing.MessageID, effects[filing.MessageID], filing.Agency, receipt.Reference)
			}
		}
	}
	if len(effects) != messages || len(onFile) != messages {
		t.Errorf("%d messages took effect, %d are on file, the receipts name %d", len(effects), len(onFile), messages)
	}
}

// copyFolders copies the agency folders and replaces, in each agency.yaml,
// what these patterns match, which must be there. Agencies that are off here,
// for want of their schemas, stay as they are.
func copyFolders(t *testing.T, replace map[string]string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "agencies")
	must(t, os.CopyFS(folder, adapters.Embedded()))
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	for _, name := range names {
		file := filepath.Join(folder, name, "agency.yaml")
		content, err := os.ReadFile(file)
		must(t, err)
		if bytes.Contains(content, []byte("\nschemas:")) {
			continue // off without what it is not shipped with
		}
		for from, to := range replace {
			pattern := regexp.MustCompile(from)
			if !pattern.Match(content) {
				t.Fatalf("%s does not say %s", file, from)
			}
			content = pattern.ReplaceAll(content, []byte(to))
		}
		must(t, os.WriteFile(file, content, 0o644))
	}
	return folder
}
