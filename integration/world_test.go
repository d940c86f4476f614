package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/declare"
)

// headerWorld says of every answer of the test world that it is one.
const headerWorld = "Singlewindow-World"

// prints runs the command line beside the line's gateway and gives what it prints.
func (l *line) prints(t *testing.T, arguments ...string) string {
	t.Helper()
	command := l.command(t, "singlewindow", append(arguments, "--database", l.database, "--data", l.gateway.folder)...)
	var messages bytes.Buffer
	command.Stderr = &messages
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", arguments, err, &messages)
	}
	return strings.TrimSpace(string(output))
}

// testKey makes an enterprise's key of the test world.
func (l *line) testKey(t *testing.T, tenant string) string {
	t.Helper()
	key := l.prints(t, "keys", "create", "--test", "--tenant", tenant)
	if !regexp.MustCompile(`^sw_test_[0-9A-Z]{52}$`).MatchString(key) {
		t.Fatalf("not a key of the test world: %.12s", key)
	}
	return key
}

// fileAs files a sample with a key, which must be taken.
func (l *line) fileAs(t *testing.T, key string, from sample, reference string) declare.Status {
	t.Helper()
	given := l.ask(t, key, http.MethodPost, "/v1/declarations", from.as(t, reference), "Content-Type", "application/json", "Idempotency-Key", "key-"+reference)
	if given.status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", reference, given.status, given.body)
	}
	return decoded[declare.Status](t, given)
}

func (l *line) statusAs(t *testing.T, key, id string) declare.Status {
	t.Helper()
	given := l.ask(t, key, http.MethodGet, "/v1/declarations/"+id, nil)
	if given.status != http.StatusOK || given.header.Get(headerWorld) != declare.TestWorld {
		t.Fatalf("%s: %d %v %s", id, given.status, given.header, given.body)
	}
	return decoded[declare.Status](t, given)
}

func settledEverywhere(status declare.Status, holds func(declare.FilingStatus) bool) bool {
	return len(status.Filings) > 0 && !slices.ContainsFunc(status.Filings, func(filing declare.FilingStatus) bool { return !holds(filing) })
}

// advance moves a tenant's test clock and gives what the answer says.
func (l *line) advance(t *testing.T, key, by string) api.TestTime {
	t.Helper()
	given := l.ask(t, key, http.MethodPost, "/v1/test-clock", []byte(`{"advance":"`+by+`"}`), "Content-Type", "application/json")
	if given.status != http.StatusOK {
		t.Fatalf("%s: %d %s", by, given.status, given.body)
	}
	return decoded[api.TestTime](t, given)
}

// TestWorldsApart runs both worlds in one process: what a test key files goes
// to simulated agencies, whose time the enterprise moves for itself, and nobody
// in the live world, no agency and no enterprise, ever sees any of it; nor the
// other way round.
func TestWorldsApart(t *testing.T) {
	t.Parallel()
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	l := newLine(t, lineOptions{connect: names[:1], flags: []string{"--test-world", "--test-pace", "1h"}})
	real := l.offices[names[0]]
	mine, theirs := l.testKey(t, acme), l.testKey(t, bolt)
	from, _ := l.widest(t)

	filed, other := l.fileAs(t, mine, from, "WORLD-1"), l.fileAs(t, theirs, from, "WORLD-1")
	if len(filed.Filings) < 2 {
		t.Errorf("the test world filed to %d agencies", len(filed.Filings))
	}
	delivered := func(filing declare.FilingStatus) bool { return filing.Delivery == declare.DeliveryDelivered }
	final := func(filing declare.FilingStatus) bool { return filing.Decision.Final() }
	for key, status := range map[string]declare.Status{mine: filed, theirs: other} {
		eventually(t, 30*time.Second, "the simulated agencies have it", func() bool { return settledEverywhere(l.statusAs(t, key, status.ID), delivered) })
	}

	// The clock of one enterprise, for its own declarations.
	before := time.Now()
	due := 0
	if told := l.advance(t, theirs, "PT1S"); told.Due != 0 || told.Now.Sub(before) < time.Second {
		t.Errorf("nothing is due after a second: %+v", told)
	}
	eventually(t, 30*time.Second, "everything was said", func() bool {
		due += l.advance(t, mine, "P1D").Due // what is owed from a moment later on is moved by the next one
		return settledEverywhere(l.statusAs(t, mine, filed.ID), final)
	})
	if told := l.advance(t, mine, "P30D"); told.Due != 0 || told.Now.Sub(before) < 31*24*time.Hour {
		t.Errorf("in the end: %+v", told)
	}
	heard := func(tenant string) int {
		return l.count(t, "SELECT count(*) FROM test.notice WHERE tenant_id = $1 AND source = 'notice'", tenant)
	}
	if said := heard(acme); due == 0 || said != due {
		t.Errorf("%d notices became due, %d came", due, said)
	}
	if said := heard(bolt); said != 0 || settledEverywhere(l.statusAs(t, theirs, other.ID), final) {
		t.Errorf("%d notices came about the other enterprise's declaration, whose clock stood still", said)
	}
	for _, by := range []string{"P31D", "2h", "P1M", ""} {
		refused(t, by, l.ask(t, mine, http.MethodPost, "/v1/test-clock", []byte(`{"advance":"`+by+`"}`), "Content-Type", "application/json"), 422, "parameter.invalid")
	}
	refused(t, "a live key", l.ask(t, l.keys[acme], http.MethodPost, "/v1/test-clock", []byte(`{"advance":"PT1H"}`), "Content-Type", "application/json"), 404, "resource.missing")

	l.mustBeApart(t, mine, from, filed)
	if taken := real.effects(t); len(taken) != 1 {
		t.Errorf("the live agency took %d messages", len(taken))
	}
	l.mustTakeBatches(t, mine, from)
	l.mustHaveSameTables(t)
	number(t, "memory of a gateway with both worlds, MB", l.gateway.memory(t)>>20, "-")
	number(t, "opening the test world, its tables made", l.worldTook(t), "-")

	// The test world is there again after a restart, and says what it owes.
	l.gateway.stop(t)
	l.startGateway(t)
	number(t, "opening the test world again", l.worldTook(t), "-")
	eventually(t, 30*time.Second, "what was owed is said after the restart", func() bool { return heard(bolt) > 0 })
}

// worldTook is how long the gateway says that it took to open the test world.
func (l *line) worldTook(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(l.gateway.log)
	must(t, err)
	found := regexp.MustCompile(`the test world is open.* took=(\S+)`).FindSubmatch(content)
	if found == nil {
		t.Fatal("the gateway does not say that the test world is open")
	}
	return string(found[1])
}

// mustBeApart holds that neither world knows of the other's declarations.
func (l *line) mustBeApart(t *testing.T, testKey string, from sample, filed declare.Status) {
	t.Helper()
	live := l.file(t, acme, from, "WORLD-1") // the same reference and idempotency key are free here
	const missing = "dec_01KDTP3X8Q0000000000000009"
	for _, c := range []struct{ key, foreign string }{{l.keys[acme], filed.ID}, {testKey, live.ID}} {
		for _, below := range []string{"", "/events"} {
			ask := func(id string) answer {
				return l.ask(t, c.key, http.MethodGet, "/v1/declarations/"+id+below, nil, "X-Request-Id", "same")
			}
			foreign, none := ask(c.foreign), ask(missing)
			refused(t, c.foreign+below, foreign, 404, "resource.missing")
			if told(foreign) != told(none) {
				t.Errorf("foreign is unlike missing:\n%s\n%s", told(foreign), told(none))
			}
		}
		for _, feed := range []string{"/v1/declarations", "/v1/events?after=beginning&limit=500", "/v1/declarations?reference=WORLD-1"} {
			given := l.ask(t, c.key, http.MethodGet, feed, nil)
			if given.status != http.StatusOK || bytes.Contains(given.body, []byte(c.foreign)) || (given.header.Get(headerWorld) != "") != (c.key == testKey) {
				t.Errorf("%s: %d %v", feed, given.status, given.header)
			}
		}
	}
	unknown := testKey[:len(testKey)-2] + map[bool]string{true: "00", false: "10"}[!strings.HasSuffix(testKey, "00")]
	refused(t, "a test key that is none", l.ask(t, unknown, http.MethodGet, "/v1/declarations", nil), 401, "auth.unknown")
	for table, want := range map[string]int{"public.declaration": 1, "test.declaration": 2} {
		if rows := l.count(t, "SELECT count(*) FROM "+table); rows != want {
			t.Errorf("%d declarations in %s", rows, table)
		}
	}
}

// mustTakeBatches: files of the test world are worked off in it.
func (l *line) mustTakeBatches(t *testing.T, key string, from sample) {
	t.Helper()
	given := l.ask(t, key, http.MethodPost, "/v1/batches?kind="+fmt.Sprint(from.tree["kind"])+"&name=test.ndjson", append(from.as(t, "WORLD-2"), '\n'), "Content-Type", "application/x-ndjson", "Idempotency-Key", "WORLD-2")
	if given.status != http.StatusAccepted {
		t.Fatalf("%d %s", given.status, given.body)
	}
	batch := decoded[api.BatchView](t, given)
	eventually(t, 30*time.Second, "the file is worked off", func() bool {
		batch = decoded[api.BatchView](t, l.ask(t, key, http.MethodGet, "/v1/batches/"+batch.ID, nil))
		return batch.State == "done"
	})
	if batch.Filed != 1 {
		t.Errorf("%+v", batch)
	}
	refused(t, "a batch of the test world", l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+batch.ID, nil), 404, "resource.missing")
}

// mustHaveSameTables: whatever stands in the live world stands in the test
// world, guarded alike.
func (l *line) mustHaveSameTables(t *testing.T) {
	t.Helper()
	const tables = "SELECT relname || ' ' || relrowsecurity || ' ' || relforcerowsecurity FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'S', 'i', 'I') ORDER BY 1"
	found := map[string][]string{}
	for _, schema := range []string{"public", "test", "river", "river_test"} {
		l.query(t, tables, []any{schema}, func(conn *pgx.Conn) error {
			rows, err := conn.Query(t.Context(), tables, schema)
			if err != nil {
				return err
			}
			found[schema], err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	}
	if len(found["public"]) < 40 || !slices.Equal(found["public"], found["test"]) {
		t.Errorf("the worlds have different tables:\n%v\n%v", found["public"], found["test"])
	}
	if len(found["river"]) < 5 || !slices.Equal(found["river"], found["river_test"]) {
		t.Errorf("the worlds have different jobs:\n%v\n%v", found["river"], found["river_test"])
	}
}

// TestKeysFromTheShell uses the command as an operator would, beside nothing.
func TestKeysFromTheShell(t *testing.T) {
	t.Parallel()
	l := &line{folder: t.TempDir(), database: migratedDatabase(t)}
	l.gateway = &door{folder: l.folder}
	l.prints(t, "tenant", "create", acme, "Acme")
	if key := l.prints(t, "key", "create", acme, "ERP"); !strings.HasPrefix(key, "sw_live_") {
		t.Errorf("as ever: %.12s", key)
	}
	l.prints(t, "keys", "create", "--tenant", acme, "--name", "reader", "--scope", "declarations:read,events:read", "--expires", "2099-01-01")
	ids := map[string]string{}
	l.query(t, "keys", nil, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT name, id FROM api_key")
		if err != nil {
			return err
		}
		var name, id string
		_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
			ids[name] = id
			return nil
		})
		return err
	})
	if key := l.prints(t, "keys", "rotate", ids["reader"], "--tenant", acme, "--grace", "0s"); !strings.HasPrefix(key, "sw_live_") {
		t.Errorf("%.12s", key)
	}
	l.prints(t, "keys", "revoke", ids["ERP"], "--tenant", acme)
	listed := l.prints(t, "keys", "list", "--tenant", acme)
	if strings.Count(listed, "  live  ") != 1 || strings.Count(listed, "  expired  ") != 1 || strings.Count(listed, "  revoked  ") != 1 ||
		strings.Count(listed, "declarations:read events:read\n") != 2 || strings.Contains(listed, "sw_live_") {
		t.Error(listed)
	}
	l.testKey(t, acme)
}
