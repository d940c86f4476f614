package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"singlewindow/api"
)

// TestWhateverIsAsked asks what no client should, made from the document: every
// answer is documented, no failure of ours, and a problem where it is a refusal.
func TestWhateverIsAsked(t *testing.T) {
	t.Parallel()
	askAnything(t, 400)
}

func TestLongWhateverIsAsked(t *testing.T) {
	onlyLong(t)
	askAnything(t, 50_000)
}

// canary stands in values: no problem may repeat it.
const canary = "zqcanaryqz"

// A fuzzer makes requests from the document; each is made of the seed and its
// own number, so that one alone can be made again.
type fuzzer struct {
	*wholeWindow
	seed       uint64
	codes      map[string]int // statuses of the registered problems
	credential string
	samples    map[string][]byte // bodies by operation
	failures   atomic.Int32
	mu         sync.Mutex
	statuses   map[int]int
}

func askAnything(t *testing.T, requests int) {
	t.Helper()
	f := &fuzzer{wholeWindow: newWholeWindow(t), seed: seed(t).Uint64(), codes: registeredProblems(t), samples: map[string][]byte{}, statuses: map[int]int{}}
	var err error
	f.credential, err = f.accounts.CreateAgencyCredential(t.Context(), f.agencies[0])
	must(t, err)
	for id, how := range bodies {
		f.samples[id] = how.content(t, f.wholeWindow, 0)
	}
	begun := time.Now()
	var next atomic.Int64
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for n := next.Add(1); n <= int64(requests) && f.failures.Load() < 20; n = next.Add(1) {
				f.one(t, uint64(n))
			}
		})
	}
	asking.Wait()
	for _, status := range slices.Sorted(maps.Keys(f.statuses)) {
		t.Logf("%d: %d times", status, f.statuses[status])
	}
	number(t, "requests made from the document, without a 5xx", requests, 50_000)
	t.Logf("%d requests/s", requests*1000/int(time.Since(begun).Milliseconds()+1))
}

// registeredProblems gives the status of every problem there is.
func registeredProblems(t *testing.T) map[string]int {
	t.Helper()
	source, err := os.ReadFile("../api/problems.yaml")
	must(t, err)
	var entries []struct {
		Code   string `yaml:"code"`
		Status int    `yaml:"status"`
	}
	must(t, yaml.Unmarshal(source, &entries))
	codes := map[string]int{}
	for _, e := range entries {
		codes[e.Code] = e.Status
	}
	return codes
}

// A shot is one request.
type shot struct {
	operation operation
	method    string
	address   string // path and query, as sent
	header    http.Header
	body      []byte
	cut       bool // the body ends before it should
}

func (s shot) String() string {
	return fmt.Sprintf("%s %.300s %.600v %.300q (%d bytes, cut %v)", s.method, s.address, s.header, s.body, len(s.body), s.cut)
}

func (f *fuzzer) one(t *testing.T, n uint64) {
	r := &dice{rand.New(rand.NewPCG(f.seed, n))}
	s := f.make(r)
	given, err := f.fire(t.Context(), s)
	if err == nil {
		if given.status != http.StatusServiceUnavailable || longForms() { // other tests run beside the short form
			err = f.judge(s, given)
		}
		f.mu.Lock()
		f.statuses[given.status]++
		f.mu.Unlock()
	}
	if err != nil {
		f.failures.Add(1)
		t.Errorf("request %d: %v\n%v", n, err, s)
	}
}

// fire sends a request and takes the answer; a stream is let go at once.
func (f *fuzzer) fire(ctx context.Context, s shot) (answer, error) {
	if s.cut {
		return f.fireCut(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, s.method, f.server.URL, bytes.NewReader(s.body))
	if err != nil {
		return answer{}, err
	}
	request.URL.Opaque, request.URL.RawQuery, _ = strings.Cut(s.address, "?")
	request.Header = s.header
	response, err := f.server.Client().Do(request)
	if err != nil {
		return answer{}, err
	}
	return readShot(response)
}

func readShot(response *http.Response) (answer, error) {
	given := answer{response.StatusCode, response.Header, nil}
	var err error
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		given.body, err = io.ReadAll(response.Body)
	}
	if closed := response.Body.Close(); err == nil && given.body != nil {
		err = closed
	}
	return given, err
}

// fireCut says that more is coming than comes.
func (f *fuzzer) fireCut(ctx context.Context, s shot) (answer, error) {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", f.server.Listener.Addr().String())
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = connection.Close() }() // what counts has been read
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return answer{}, err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: fuzz\r\nContent-Length: %d\r\n", s.method, s.address, len(s.body)+7)
	if err := s.header.Write(&text); err != nil {
		return answer{}, err
	}
	text.WriteString("\r\n")
	text.Write(s.body)
	if _, err := connection.Write(text.Bytes()); err != nil {
		return answer{}, err
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: s.method})
	if err != nil {
		return answer{}, err
	}
	return readShot(response)
}

// judge tells what is wrong with an answer.
func (f *fuzzer) judge(s shot, given answer) error {
	route := false
	switch {
	case given.status >= 500:
		return fmt.Errorf("%d %.500s", given.status, given.body)
	case given.status >= 400:
		media := given.header.Get("Content-Type")
		if media != "application/problem+json" {
			return fmt.Errorf("%d as %q: %.300s", given.status, media, given.body)
		}
		if s.method == http.MethodHead {
			return nil
		}
		var problem api.Problem
		if err := json.Unmarshal(given.body, &problem); err != nil {
			return fmt.Errorf("%d is no problem: %w: %.300s", given.status, err, given.body)
		}
		if f.codes[problem.Code] != given.status || problem.Status != given.status || problem.RequestID != given.header.Get("X-Request-Id") || problem.Title == "" {
			return fmt.Errorf("%d is no registered problem: %.500s", given.status, given.body)
		}
		texts := problem.Title + problem.Detail
		for _, complaint := range problem.Errors { // a pointer names what the client named
			texts += complaint.Message
		}
		if strings.Contains(texts, canary) {
			return fmt.Errorf("the problem repeats a value: %.500s", given.body)
		}
		route = problem.Code == "route.missing" || problem.Code == "method.notAllowed"
	case given.status == http.StatusMovedPermanently, given.status == http.StatusTemporaryRedirect, given.status == http.StatusPermanentRedirect:
		route = true // a path that is not in its shortest form
	}
	asDocumented := s.method == s.operation.method || s.method == http.MethodHead && s.operation.method == http.MethodGet
	if !route && asDocumented && !s.operation.answers[strconv.Itoa(given.status)] {
		return fmt.Errorf("%d is not documented for %s: %.300s", given.status, s.operation.id, given.body)
	}
	return nil
}

// make draws a request.
func (f *fuzzer) make(r *dice) shot {
	o := f.operations[r.IntN(len(f.operations))]
	s := shot{operation: o, method: o.method, header: http.Header{}}
	if r.once(12) {
		s.method = r.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "PROPFIND")
	}
	s.address = f.path(r, o)
	if query := f.query(r, o); query != "" {
		s.address += "?" + query
	}
	f.headers(r, o, s.header)
	if sample := f.samples[o.id]; sample != nil || r.once(15) {
		s.body = r.body(sample)
		s.cut = r.once(20) && s.method == o.method
	}
	return s
}

// path fills a path with values that are good, known or nasty.
func (f *fuzzer) path(r *dice, o operation) string {
	path := o.path
	for _, at := range parametersOf(path) {
		var value string
		switch r.IntN(4) {
		case 0, 1:
			value = o.objectAt(at).of(f.held[r.IntN(2)])
		case 2:
			value = o.objectAt(at).missing
		default:
			value = r.escaped(r.nasty())
		}
		path = strings.Replace(path, at[strings.LastIndexByte(at, '{'):], value, 1)
	}
	if r.once(40) {
		path = r.of("/"+path, path+"/", strings.Replace(path, "/", "//", 2), path+"/..", path+"/%2e%2e/x", strings.ToUpper(path), path+"%00", path+";x=1", "/", "/*", path+":x")
	}
	return path
}

// query draws parameters, mostly known ones.
func (f *fuzzer) query(r *dice, o operation) string {
	var parts []string
	if good := bodies[o.id].query; good != "" && !r.once(8) {
		parts = append(parts, good)
	}
	for _, p := range o.parameters {
		if p.In != "query" || !r.once(4) {
			continue
		}
		value := r.fitting(p.Schema)
		if r.once(2) {
			value = r.nasty()
		}
		parts = append(parts, url.QueryEscape(p.Name)+"="+r.escaped(value))
		if r.once(10) {
			parts = append(parts, parts[len(parts)-1])
		}
	}
	if r.once(25) {
		parts = append(parts, r.of("x=1", "%zz=1", "limit=%", "=", "&", "a;b", "lang", "lang[]=en", "%00=%00", "limit=1;after=2", "?", "%ff=%ff"))
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, "&")
}

func (f *fuzzer) headers(r *dice, o operation, header http.Header) {
	switch {
	case r.once(12):
		header.Set("Authorization", r.of("Bearer", "Bearer ", "bearer x", "Basic eDp5", "Bearer "+f.key+"0", "Bearer "+f.credential, "Bearer "+r.inHeader(r.nasty()), r.inHeader(r.nasty())))
	case o.security == "agencyCredential":
		header.Set("Authorization", "Bearer "+f.credential)
	case o.security != "":
		header.Set("Authorization", "Bearer "+f.held[r.IntN(2)].key)
	}
	if len(o.media) > 0 {
		header.Set("Content-Type", o.media[r.IntN(len(o.media))])
		header.Set("Idempotency-Key", fmt.Sprintf("fuzz-%d", r.IntN(500)))
	}
	for _, p := range o.parameters {
		if p.In == "header" && p.Name != "Content-Length" && r.once(6) {
			header.Set(p.Name, r.inHeader(r.nasty()))
		}
	}
	if r.once(10) {
		header.Set("Content-Type", r.of("", "text/plain", "application/json; charset=utf-16", "application/json;;", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "a/b/c", "application/xml", "text/csv; charset=gb18030", r.inHeader(r.nasty())))
	}
	if r.once(10) {
		header.Set("Accept", r.of("", "*/*", "application/*", "text/html", "application/json;q=0", "text/event-stream", "text/csv", ",,,", "a", "application/json;q=nonsense", r.inHeader(r.nasty())))
	}
	if r.once(15) {
		header.Set(r.of("Range", "If-Match", "If-Modified-Since", "Content-Encoding", "X-HTTP-Method-Override", "Origin", "Cookie", "X-Forwarded-For", "Accept-Encoding", "Traceparent", "Forwarded", "Last-Event-ID"),
			r.of("bytes=0-1", "*", "gzip", "DELETE", "http://evil.example", "singlewindow-session=x", r.inHeader(r.nasty())))
	}
	if r.once(200) {
		header.Set("X-Long", strings.Repeat("a", 100_000))
	}
}

// body spoils a good body, or is none of this kind at all.
func (r *dice) body(good []byte) []byte {
	switch {
	case good == nil || r.once(6):
		return r.strange()
	case r.once(10):
		return good
	case len(good) > 0 && (good[0] == '{' || good[0] == '[') && !r.once(3):
		return r.spoiledTree(good)
	}
	return r.spoiledBytes(good)
}

// dice draw what a fuzzer needs.
type dice struct{ *rand.Rand }

// once is true once in so many times.
func (r *dice) once(in int) bool { return r.IntN(in) == 0 }

func (r *dice) of(all ...string) string { return all[r.IntN(len(all))] }

// nasty draws a value that nobody expects.
func (r *dice) nasty() string {
	return r.of(
		"", " ", "\x00", "\xff", "\xc3\x28", "\xc0\xaf", "\xed\xa0\x80", "\xef\xbb\xbf", "\u202e"+canary, "\u2028", "😀", "申报", "é", "e\u0301", "\t", "\r\n", "\x1b[31m",
		canary, canary+"'", "' OR '1'='1", "; DROP TABLE declaration", "../../etc/passwd", "%2e%2e%2f", "{{7*7}}", "${jndi:ldap://x}", "<script>"+canary+"</script>", `"`, `\`, "%", "*", "?", "#", "/", "//",
		"0", "-0", "-1", "1", "007", "1.5", "1e3", "1e309", "NaN", "Infinity", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "99999999999999999999999999", "0x10", "１",
		"true", "false", "null", "undefined", "[]", "{}", "[object Object]", "a,b,c", ",", "held,held", "held,"+canary,
		"2026-03-01", "2026-02-30", "0000-01-01", "9999-12-31", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00+99:99", "2026-03-01T24:00:00Z", "99999-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
		"dec_01KDTP3X8Q0000000000000001", "dec_", "bat_00000000000000000000000000", "AQAAAAAAAALoAAAAAAAAAAw", "AQ", "beginning", "AQAGR9JvwAAA", strings.Repeat("A", 60),
		"en", "zh", "all", "csv", "xlsx", "goods", "utf-8", "gb18030",
		strings.Repeat("a", r.IntN(300)), strings.Repeat(canary, 200), strings.Repeat("\u0301", 50), strings.Repeat("%", 99), strings.Repeat("9", 400),
		string([]byte{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}),
	)
}

// fitting draws a value that a parameter's schema allows.
func (r *dice) fitting(schema map[string]any) string {
	if items, isList := schema["items"].(map[string]any); isList {
		return r.fitting(items)
	}
	if words, ok := schema["enum"].([]any); ok {
		return fmt.Sprint(words[r.IntN(len(words))])
	}
	switch schema["type"] {
	case "integer":
		return strconv.Itoa(r.IntN(200) + 1)
	case "boolean":
		return r.of("true", "false")
	}
	if examples, ok := schema["examples"].([]any); ok && len(examples) > 0 {
		return fmt.Sprint(examples[0])
	}
	if schema["format"] == "date" {
		return fmt.Sprintf("2026-%02d-%02d", r.IntN(12)+1, r.IntN(28)+1)
	}
	return r.of("a", "goods", "3712", "x-1")
}

// escaped writes a value so that it can stand in an address: what must be is
// percent-encoded, and some of the rest.
func (r *dice) escaped(value string) string {
	var text strings.Builder
	for i := range len(value) {
		c := value[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~:,'", c) >= 0
		if plain && !r.once(30) {
			text.WriteByte(c)
		} else {
			fmt.Fprintf(&text, r.of("%%%02x", "%%%02X"), c)
		}
	}
	return text.String()
}

// inHeader leaves out what HTTP itself does not carry.
func (r *dice) inHeader(value string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, value))
}

// strange draws a body that is nothing.
func (r *dice) strange() []byte {
	depth := 1 + r.IntN(20_000)
	switch r.IntN(16) {
	case 0:
		return nil
	case 1:
		return []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	case 2:
		return []byte(strings.Repeat(`{"a":`, depth))
	case 3:
		return []byte(strings.Repeat("<a>", depth) + strings.Repeat("</a>", depth))
	case 4:
		return []byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "` + canary + `"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>`)
	case 5:
		return []byte(`{"kind":"goods","reference":` + r.of("1e400", "-0", "1E+999999999", strings.Repeat("9", 5000), "0.1", "01", "NaN", `"\ud800"`, `"\u0000"`, `"`+canary+`"`) + "}")
	case 6:
		return []byte("\xff\xfe{\x00}\x00")
	case 7:
		return []byte("\xef\xbb\xbf{}")
	case 8:
		return []byte(`{"kind":"goods","kind":"` + canary + `"}`)
	case 9:
		return bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(2000))
	case 10:
		return []byte(r.of("null", "true", "0", `""`, "[]", "{}", "[null]", `{"kind":null}`, `{"kind":{}}`, `{"kind":"`+canary+`"}`))
	case 11:
		return []byte("PK\x03\x04" + strings.Repeat("\x00", r.IntN(200)))
	case 12:
		return []byte("reference,goodsShipment.x\n\"" + canary + "\n,,,\n" + r.nasty())
	case 13:
		return []byte(`<?xml version="1.0" encoding="` + r.of("UTF-16", "EBCDIC", "x", "") + `"?><a xmlns="urn:` + canary + `"/>`)
	case 14:
		return []byte(`<a ` + strings.Repeat(`b="`+canary+`" `, r.IntN(300)) + `/>`)
	}
	noise := make([]byte, r.IntN(500))
	for i := range noise {
		noise[i] = byte(r.IntN(256))
	}
	return noise
}

// spoiledBytes cuts, doubles or changes a few bytes.
func (r *dice) spoiledBytes(good []byte) []byte {
	spoiled := bytes.Clone(good)
	for range 1 + r.IntN(3) {
		if len(spoiled) == 0 {
			return spoiled
		}
		at := r.IntN(len(spoiled))
		switch r.IntN(4) {
		case 0:
			spoiled = spoiled[:at]
		case 1:
			spoiled[at] = byte(r.IntN(256))
		case 2:
			spoiled = slices.Insert(spoiled, at, []byte(r.nasty())...)
		case 3:
			end := at + r.IntN(len(spoiled)-at)
			spoiled = slices.Delete(spoiled, at, end)
		}
	}
	return spoiled
}

// spoiledTree puts something else in the place of a few values.
func (r *dice) spoiledTree(good []byte) []byte {
	var tree any
	if err := json.Unmarshal(good, &tree); err != nil {
		return r.spoiledBytes(good)
	}
	for range 1 + r.IntN(3) {
		tree = r.spoil(tree, 0)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return good
	}
	return text
}

func (r *dice) spoil(value any, depth int) any {
	if depth > 1 && r.once(4) {
		return r.other()
	}
	switch v := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if len(names) == 0 {
			return r.other()
		}
		name := names[r.IntN(len(names))]
		switch r.IntN(8) {
		case 0:
			delete(v, name)
		case 1:
			v["surplus"] = r.other()
		default:
			v[name] = r.spoil(v[name], depth+1)
		}
		return v
	case []any:
		if len(v) == 0 {
			return r.other()
		}
		at := r.IntN(len(v))
		if r.once(6) {
			return append(v, v[at])
		}
		v[at] = r.spoil(v[at], depth+1)
		return v
	}
	return r.other()
}

// other draws a value of JSON.
func (r *dice) other() any {
	switch r.IntN(7) {
	case 0:
		return nil
	case 1:
		return r.once(2)
	case 2:
		return json.Number(r.of("0", "-1", "1e308", "99999999999999999999", "0.5", "2147483648"))
	case 3:
		return []any{}
	case 4:
		return map[string]any{"a": canary}
	}
	return strings.ToValidUTF8(r.nasty(), "?")
}
