package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/declare"
)

// TestKeysRaced lets clients of two gateways file under the same keys and
// references at the same time; TestLongKeysRaced at length.
func TestKeysRaced(t *testing.T) {
	t.Parallel()
	raceForKeys(t, 1000)
}

func TestLongKeysRaced(t *testing.T) {
	onlyLong(t)
	raceForKeys(t, 20_000)
}

const (
	raceGroup  = 40 // requests that fight for the same keys and references
	raceKeys   = 4
	raceBodies = 3 // each with its own reference; one more has a fault
)

// raceTry is one request: a key and a body of a group.
type raceTry struct{ group, key, body int }

// raceResult is what came of it: a declaration with a 202 or a 409 for its
// reference, or another code; "" when nobody knows.
type raceResult struct {
	status int
	code   string
	id     string
	fresh  bool
}

// raceState is what a group's keys and references stand for. What was written
// by a request nobody heard the answer of has the id "?".
type raceState struct {
	bodies     [raceKeys]int // 0: the key is unbound; else the body and one
	ids        [raceKeys]string
	references [raceBodies]string
}

const faulty1 = raceBodies // the body with a fault

// raceSteps gives the states a request may leave, none when its answer cannot
// have been given.
func raceSteps(state raceState, try raceTry, result raceResult) []raceState {
	bound := state.bodies[try.key]
	bind := func(id string) raceState {
		state.bodies[try.key], state.ids[try.key], state.references[try.body] = try.body+1, id, id
		return state
	}
	free := bound == 0 && try.body != faulty1 && state.references[try.body] == ""
	switch {
	case result.code == "": // unknown
		if free {
			return []raceState{state, bind("?")}
		}
		return []raceState{state}
	case result.status == http.StatusAccepted && bound == 0:
		if free {
			return []raceState{bind(result.id)}
		}
	case result.status == http.StatusAccepted:
		if bound == try.body+1 && (state.ids[try.key] == result.id || state.ids[try.key] == "?") {
			return []raceState{bind(result.id)}
		}
	case result.code == "idempotency.keyReused":
		if bound != 0 && bound != try.body+1 {
			return []raceState{state}
		}
	case result.code == "idempotency.inFlight":
		return []raceState{state}
	case result.code == "reference.used":
		if known := state.references[min(try.body, raceBodies-1)]; bound == 0 && try.body != faulty1 && (known == result.id || known == "?") {
			state.references[try.body] = result.id
			return []raceState{state}
		}
	case result.code == "declaration.refused":
		if bound == 0 && try.body == faulty1 {
			return []raceState{state}
		}
	}
	return nil
}

var raceModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		groups := map[int][]porcupine.Operation{}
		for _, one := range history {
			group := one.Input.(raceTry).group
			groups[group] = append(groups[group], one)
		}
		var all [][]porcupine.Operation
		for _, group := range groups {
			all = append(all, group)
		}
		return all
	},
	Init: func() []any { return []any{raceState{}} },
	Step: func(state, input, output any) (next []any) {
		for _, one := range raceSteps(state.(raceState), input.(raceTry), output.(raceResult)) {
			next = append(next, one)
		}
		return next
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v: %+v", input, output)
	},
}).ToModel()

func raceForKeys(t *testing.T, requests int) {
	t.Helper()
	random := seed(t).Uint64()
	agencies, err := adapters.Names(adapters.Embedded())
	must(t, err)
	l := newLine(t, lineOptions{gateways: 2, unopened: agencies})
	bodies := newRaceBodies(t, l)
	began := time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	var racing sync.WaitGroup
	for client := range 12 {
		racing.Go(func() {
			r := rand.New(rand.NewPCG(random, uint64(client)))
			for n := int(next.Add(1)) - 1; n < requests; n = int(next.Add(1)) - 1 {
				try := raceTry{n / raceGroup, r.IntN(raceKeys), r.IntN(raceBodies + 1)}
				called := time.Since(began)
				result := bodies.ask(t.Context(), l, l.gateways[r.IntN(2)], try)
				returned := time.Since(began)
				if result.code == "" {
					returned = 24 * time.Hour // it may take effect at any time
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: try, Call: int64(called), Output: result, Return: int64(returned)})
				mu.Unlock()
			}
		})
	}
	racing.Wait()
	took := time.Since(began)
	outcomes := map[string]int{}
	ids := map[string]int{}
	for _, one := range history {
		result := one.Output.(raceResult)
		outcomes[fmt.Sprintf("%d %s", result.status, result.code)]++
		if result.fresh {
			ids[result.id]++
		}
	}
	t.Logf("%v in %v", outcomes, took.Round(time.Millisecond))
	for id, times := range ids {
		if times != 1 {
			t.Errorf("%s was filed %d times", id, times)
		}
	}
	unknown := outcomes["0 "] + outcomes["503 "]
	if filed := l.count(t, "SELECT count(*) FROM declaration"); filed < len(ids) || filed > len(ids)+unknown {
		t.Errorf("%d declarations on file, %d receipts, %d answers lost", filed, len(ids), unknown)
	}
	if l.count(t, "SELECT count(*) FROM idempotency") != l.count(t, "SELECT count(*) FROM reference") {
		t.Error("keys and references are not one to one")
	}
	if unknown > requests/20 {
		t.Errorf("%d of %d requests got no answer", unknown, requests)
	}
	verdict := porcupine.CheckOperationsTimeout(raceModel, history, 2*time.Minute)
	number(t, "requests for the same keys at two gateways, linearizable: "+string(verdict), len(history), 20_000)
	if verdict != porcupine.Ok {
		t.Errorf("the history is not linearizable: %s", verdict)
	}
}

// raceWriter makes the bodies of the race.
type raceWriter struct{ sample []byte }

const racePlace = "RACE-PLACE-0-0"

func newRaceBodies(t *testing.T, l *line) raceWriter {
	t.Helper()
	from, _ := l.widest(t)
	return raceWriter{from.as(t, racePlace)}
}

func (w raceWriter) ask(ctx context.Context, l *line, at *door, try raceTry) raceResult {
	body := bytes.ReplaceAll(w.sample, []byte(racePlace), fmt.Appendf(nil, "RACE-%d-%d", try.group, try.body))
	if try.body == faulty1 {
		body = bytes.Replace(body, []byte(`"declarant"`), []byte(`"nobody"`), 1)
	}
	given, err := l.tryAt(ctx, at, l.keys[acme], http.MethodPost, "/v1/declarations", body, "Content-Type", "application/json", "Idempotency-Key", fmt.Sprintf("race-%d-%d", try.group, try.key))
	if err != nil {
		return raceResult{}
	}
	if given.status == http.StatusAccepted {
		var receipt declare.Status
		if json.Unmarshal(given.body, &receipt) != nil {
			return raceResult{}
		}
		return raceResult{given.status, "accepted", receipt.ID, given.header.Get("Idempotent-Replayed") == ""}
	}
	var problem api.Problem
	if given.status >= 500 || json.Unmarshal(given.body, &problem) != nil {
		return raceResult{status: given.status}
	}
	return raceResult{status: given.status, code: problem.Code, id: problem.Declaration}
}

// The model itself can fail: what must not happen is no step of it.
func TestTheRaceModelBites(t *testing.T) {
	t.Parallel()
	accepted := func(id string) raceResult { return raceResult{http.StatusAccepted, "accepted", id, true} }
	at := int64(0)
	after := func(try raceTry, result raceResult) porcupine.Operation {
		at += 2
		return porcupine.Operation{Input: try, Output: result, Call: at, Return: at + 1}
	}
	first := after(raceTry{0, 0, 0}, accepted("a"))
	for what, c := range map[string]struct {
		next porcupine.Operation
		good bool
	}{
		"a replay":                       {after(raceTry{0, 0, 0}, accepted("a")), true},
		"filed twice":                    {after(raceTry{0, 0, 0}, accepted("b")), false},
		"another body":                   {after(raceTry{0, 0, 1}, raceResult{422, "idempotency.keyReused", "", false}), true},
		"another body filed":             {after(raceTry{0, 0, 1}, accepted("b")), false},
		"the reference again":            {after(raceTry{0, 1, 0}, raceResult{409, "reference.used", "a", false}), true},
		"another's reference":            {after(raceTry{0, 1, 0}, raceResult{409, "reference.used", "b", false}), false},
		"a reference filed twice":        {after(raceTry{0, 1, 0}, accepted("b")), false},
		"a refusal":                      {after(raceTry{0, 1, faulty1}, raceResult{422, "declaration.refused", "", false}), true},
		"a refusal under a bound key":    {after(raceTry{0, 0, faulty1}, raceResult{422, "declaration.refused", "", false}), false},
		"a key called used that is free": {after(raceTry{0, 1, 1}, raceResult{422, "idempotency.keyReused", "", false}), false},
	} {
		if got := porcupine.CheckOperations(raceModel, []porcupine.Operation{first, c.next}); got != c.good {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// TestKeyInFlight: somebody else's transaction holds the key. Who asks waits;
// once that is committed the answer is the other's, once it is undone the
// request is filed, and after five seconds it is told so.
func TestKeyInFlight(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	w := newRESTWindow(t, ledger)
	first := w.file(t, "HELD-0")
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	hold := func(key string) pgx.Tx {
		t.Helper()
		tx, err := conn.Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), "SELECT set_config('app.scope', 'system', true)")
		must(t, err)
		_, err = tx.Exec(t.Context(), `INSERT INTO idempotency (tenant_id, key, digest, declaration_id, receipt, at)
			SELECT tenant_id, $1, digest, declaration_id, receipt, at FROM idempotency WHERE key = 'key-HELD-0'`, key)
		must(t, err)
		return tx
	}
	body := func(reference string) []byte {
		return sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = reference })
	}
	asked := func(key, reference string) chan answer {
		given := make(chan answer, 1)
		go func() { given <- w.submit(t, key, body(reference)) }()
		eventually(t, 10*time.Second, "the key is waited for", func() bool {
			return one[int](t, url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") > 0
		})
		return given
	}
	tx := hold("held-1")
	given := asked("held-1", "HELD-0")
	must(t, tx.Commit(t.Context()))
	if late := <-given; late.status != http.StatusAccepted || late.header.Get("Idempotent-Replayed") != "true" || decoded[declare.Status](t, late).ID != first.ID {
		t.Errorf("%d %s", late.status, late.body)
	}
	tx = hold("held-2")
	given = asked("held-2", "HELD-2")
	must(t, tx.Rollback(t.Context()))
	if late := <-given; late.status != http.StatusAccepted || late.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%d %s", late.status, late.body)
	}
	tx = hold("held-3")
	begun := time.Now()
	given = asked("held-3", "HELD-3")
	refused(t, "held too long", <-given, http.StatusConflict, "idempotency.inFlight")
	if took := time.Since(begun); took < 4*time.Second || took > patience(9*time.Second) {
		t.Errorf("told after %v", took)
	}
	must(t, tx.Rollback(t.Context()))
	if again := w.submit(t, "held-3", body("HELD-3")); again.status != http.StatusAccepted {
		t.Errorf("the key is not free: %d %s", again.status, again.body)
	}
}

// Only a 202 binds a key: what was refused under it may be mended under it.
// Another enterprise's keys and references are not met.
func TestOnlyAReceiptBindsAKey(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	refused(t, "bad", w.submit(t, "once", []byte(`{"kind":"goods"}`)), 422, "declaration.refused")
	w.file(t, "ONCE-1")
	good := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = "ONCE-2" })
	used := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = "ONCE-1" })
	refused(t, "reference used", w.submit(t, "once", used), 409, "reference.used")
	mended := w.submit(t, "once", good)
	if mended.status != http.StatusAccepted || mended.header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("%d %s", mended.status, mended.body)
	}
	theirs := w.ask(t, w.other, http.MethodPost, "/v1/declarations", good, "Content-Type", "application/json", "Idempotency-Key", "once")
	if theirs.status != http.StatusAccepted || theirs.header.Get("Idempotent-Replayed") != "" || bytes.Equal(theirs.body, mended.body) {
		t.Errorf("another enterprise's key: %d %s", theirs.status, theirs.body)
	}
	refused(t, "a faulty body under a bound key", w.submit(t, "once", []byte(`{"kind":"goods"}`)), 422, "idempotency.keyReused")
}

// A batch's key stands for its file and options.
func TestKeysOfBatches(t *testing.T) {
	t.Parallel()
	w := newWholeWindow(t)
	hand := func(bearer, key, query, content string) answer {
		return w.ask(t, bearer, http.MethodPost, "/v1/batches?kind=goods&name=x.csv"+query, []byte(content), "Content-Type", "text/csv", "Idempotency-Key", key)
	}
	refused(t, "no key", hand(w.key, "", "", "reference\nA\n"), 400, "idempotency.missing")
	refused(t, "no key that could be", hand(w.key, "a b", "", "reference\nA\n"), 400, "idempotency.invalid")
	first := decoded[api.BatchView](t, hand(w.key, "k", "", "reference\nA\n"))
	for what, c := range map[string]struct {
		given    answer
		same     bool
		replayed string
	}{
		"again":                   {hand(w.key, "k", "", "reference\nA\n"), true, "true"},
		"under another key":       {hand(w.key, "l", "", "reference\nA\n"), true, "true"},
		"by another enterprise":   {hand(w.other, "k", "", "reference\nB\n"), false, ""},
		"under a key of its own":  {hand(w.key, "m", "", "reference\nC\n"), false, ""},
		"with another option":     {hand(w.key, "n", "&dryRun=true", "reference\nA\n"), false, ""},
		"bound by the second key": {hand(w.key, "l", "", "reference\nA\n"), true, "true"},
	} {
		if c.given.status != http.StatusAccepted || c.given.header.Get("Idempotent-Replayed") != c.replayed || (decoded[api.BatchView](t, c.given).ID == first.ID) != c.same {
			t.Errorf("%s: %d %v %s", what, c.given.status, c.given.header, c.given.body)
		}
	}
	refused(t, "another file", hand(w.key, "k", "", "reference\nD\n"), 422, "idempotency.keyReused")
	refused(t, "other options", hand(w.key, "k", "&dryRun=true", "reference\nA\n"), 422, "idempotency.keyReused")
	refused(t, "a file of another batch", hand(w.key, "k", "", "reference\nC\n"), 422, "idempotency.keyReused")
}
