package integration

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// TestInbox is the short form of TestChaosInbox.
func TestInbox(t *testing.T) {
	t.Parallel()
	m := newMail(t, 44)
	m.deliver(t, 1200)
	m.judge(t)
}

// TestChaosInbox: fifty thousand notices and thirty copies of every hundred,
// in no order, some of them before their message's send is settled, come to
// what the agencies' words come to when they are read in the agencies' order.
func TestChaosInbox(t *testing.T) {
	onlyLong(t)
	m := newMail(t, 3000)
	rate := m.deliver(t, 50_000)
	number(t, "inbox, different notices", len(m.letters), 50_000)
	number(t, "inbox, taken in per second by two gateways", rate, 400)
	m.judge(t)
	eventually(t, 2*time.Minute, "each stranger is an officer's", func() bool {
		return m.l.count(t, "SELECT count(*) FROM task WHERE kind = 'unmatched' AND closed_at IS NULL") == m.strangers
	})
}

// A mail is all that the agencies of a line ever write. Their simulators only
// take messages; what they tell comes from the test, out of the same folders.
type mail struct {
	l         *line
	random    *rand.Rand
	clerks    map[string]*clerk
	campaign  *campaign
	letters   []*letter
	strangers int // letters about declarations that nobody filed
}

// A letter is one notice, with what it says.
type letter struct {
	agency, credential, reference string // whose; shown; of the declaration
	body                          []byte
	fact                          heardFact
	posted                        int
}

// unsettling are the words whose messages wait for an answer that is late or
// lost while the agency already speaks of them.
var unsettling = []string{"drop", "slow"}

// newMail files declarations while the first notices come, until every agency
// has every message.
func newMail(t *testing.T, declarations int) *mail {
	t.Helper()
	m := &mail{random: seed(t), clerks: map[string]*clerk{}}
	m.l = newLine(t, lineOptions{mute: true, gateways: 2, slow: "1s"})
	for name, office := range m.l.offices {
		m.clerks[name] = newClerk(t, office, m.random)
	}
	var wait func()
	m.campaign, wait = m.l.load(t, 0, 8, declarations, strings.Fields("default inspect drop docs reject pay slow default drop hold default"))
	defer wait()
	early, sent := m.post(t, 8)
	defer sent()
	defer close(early)
	taken := 0
	eventually(t, 5*time.Minute, "every agency has every message", func() bool {
		for _, name := range slices.Sorted(maps.Keys(m.clerks)) {
			count, effects := m.clerks[name].effects(t)
			taken += count
			for _, effect := range effects {
				letters := m.clerks[name].write(t, effect, 4)
				m.letters = append(m.letters, letters...)
				if slices.ContainsFunc(unsettling, func(word string) bool { return strings.HasSuffix(effect.Reference, "."+word) }) {
					for _, letter := range letters[:len(letters)/2] {
						letter.posted++
						early <- letter
					}
				}
			}
		}
		return taken > 0 && m.l.count(t, "SELECT count(*) FROM declaration") == declarations && m.l.count(t, "SELECT count(*) FROM message") == taken
	})
	return m
}

// deliver writes notices until there are so many and posts them with their
// copies, in the order that the seed draws. It gives their rate per second.
func (m *mail) deliver(t *testing.T, notices int) int {
	t.Helper()
	var all []adapters.Effect
	var whose []*clerk
	for _, name := range slices.Sorted(maps.Keys(m.clerks)) {
		for _, effect := range m.clerks[name].all {
			all, whose = append(all, effect), append(whose, m.clerks[name])
		}
		m.strange(t, m.clerks[name], 5)
	}
	for i := 0; len(m.letters) < notices; i++ {
		m.letters = append(m.letters, whose[i%len(all)].write(t, all[i%len(all)], 1)...)
	}
	var round []*letter
	for _, letter := range m.letters {
		if letter.posted == 0 {
			letter.posted++
			round = append(round, letter)
		}
	}
	for range len(m.letters) * 3 / 10 {
		letter := m.letters[m.random.IntN(len(m.letters))]
		letter.posted++
		round = append(round, letter)
	}
	m.random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
	begun := time.Now()
	work, sent := m.post(t, 32)
	for _, letter := range round {
		work <- letter
	}
	close(work)
	sent()
	took := time.Since(begun)
	eventually(t, time.Minute, "everything is settled", func() bool {
		return m.l.count(t, unsent) == 0 && m.l.count(t, "SELECT count(*) FROM notice WHERE state <> 'applied'") == m.strangers
	})
	t.Logf("%d notices posted in %v, all understood %v later", len(round), took, time.Since(begun)-took)
	return int(time.Duration(len(round)) * time.Second / took)
}

// strange adds letters about messages that nobody sent.
func (m *mail) strange(t *testing.T, c *clerk, count int) {
	t.Helper()
	for serial := range uint64(count) {
		effect := nobody()
		effect.Serial = serial
		m.letters = append(m.letters, c.write(t, effect, 1)[0])
		m.strangers++
	}
}

// post has clients hand letters to the gateways in turn.
func (m *mail) post(t *testing.T, clients int) (chan<- *letter, func()) {
	t.Helper()
	letters := make(chan *letter)
	var working sync.WaitGroup
	for range clients {
		working.Go(func() {
			for letter := range letters {
				m.hand(t, letter, letter.credential, http.StatusNoContent)
			}
		})
	}
	return letters, working.Wait
}

func (m *mail) hand(t *testing.T, letter *letter, credential string, want int) {
	given, err := m.l.try(context.Background(), credential, http.MethodPost, "/v1/agencies/"+letter.agency+"/notices", letter.body, "Content-Type", "application/xml")
	if err != nil || given.status != want {
		t.Errorf("a notice of %s: %d %s, %v", letter.agency, given.status, given.body, err)
	}
}

// judge holds the database against the letters.
func (m *mail) judge(t *testing.T) {
	t.Helper()
	m.forge(t)
	m.l.closeOffices(t)
	promised := m.campaign.promised(t)
	o := &oracle{l: m.l}
	o.receipts(t, promised)
	o.effects(t, promised)
	o.events(t)
	m.stored(t, o, promised)
	m.decided(t, o)
	for _, f := range o.faults[:min(len(o.faults), mostFaults)] {
		t.Errorf("%s: %s", cmp.Or(f.declaration, "ledger"), f.text)
	}
	if len(o.faults) > mostFaults {
		t.Errorf("and %d more", len(o.faults)-mostFaults)
	}
	if at := slices.IndexFunc(o.faults, func(f fault) bool { return f.declaration != "" }); at >= 0 {
		t.Logf("time-line of %s:\n%s", o.faults[at].declaration, m.l.timeline(t, o.faults[at].declaration))
	}
}

// forge lets every agency speak in every other one's name.
func (m *mail) forge(t *testing.T) {
	t.Helper()
	for name, clerk := range m.clerks {
		said := clerk.write(t, clerk.all[0], 1)[0]
		for other, office := range m.l.offices {
			if other != name {
				m.hand(t, said, office.credential, http.StatusForbidden)
			}
		}
	}
}

// stored: each letter is in the inbox once, with the count of its copies, at
// the declaration it is about, and nothing else is there but the answers.
func (m *mail) stored(t *testing.T, o *oracle, promised []receipt) {
	t.Helper()
	type key struct{ Agency, Digest string }
	type kept struct {
		key
		Declaration, State string
		Copies             int
	}
	type row struct {
		Agency, Digest, Declaration, State string
		Copies                             int
	}
	ids := map[string]string{}
	for _, r := range promised {
		ids[r.Reference] = r.ID
	}
	inbox := map[key]kept{}
	for _, r := range rows[row](t, m.l, `SELECT n.agency, encode(sha256(n.body), 'hex'), n.declaration_id, n.state, d.copies FROM notice n
		JOIN notice_digest d ON d.notice_id = n.id WHERE n.source = 'notice'`) {
		k := key{r.Agency, r.Digest}
		if inbox[k].Copies > 0 {
			o.fault(r.Declaration, "a notice of %s is kept twice", r.Agency)
		}
		inbox[k] = kept{k, r.Declaration, r.State, r.Copies}
	}
	for _, letter := range m.letters {
		digest := sha256.Sum256(letter.body)
		k := key{letter.agency, hex.EncodeToString(digest[:])}
		want := kept{k, ids[letter.reference], "applied", letter.posted}
		if want.Declaration == "" {
			want.State = "unmatched"
		}
		if inbox[k] != want {
			o.fault(want.Declaration, "in the inbox is %+v, want %+v", inbox[k], want)
		}
		delete(inbox, k)
	}
	for _, k := range inbox {
		o.fault(k.Declaration, "%s is kept, but was never posted: %+v", k.Agency, k)
	}
}

// decided: every filing stands where its agency's words put it, and every
// declaration where its filings do.
func (m *mail) decided(t *testing.T, o *oracle) {
	t.Helper()
	facts := m.answers(t)
	for _, letter := range m.letters {
		key := [2]string{letter.reference, letter.agency}
		facts[key] = append(facts[key], letter.fact)
	}
	type filing struct{ Declaration, Reference, Status, Agency, Decision, Delivery string }
	needs, status, seen := map[string][]string{}, map[string]string{}, map[string]int{}
	for _, f := range rows[filing](t, m.l, `SELECT d.id, d.reference, d.status, f.agency, f.decision, m.delivery FROM declaration d
		JOIN filing f ON f.tenant_id = d.tenant_id AND f.declaration_id = d.id
		JOIN message m ON m.tenant_id = d.tenant_id AND m.declaration_id = d.id AND m.agency = f.agency`) {
		want := folded(facts[[2]string{f.Reference, f.Agency}], m.l.offices[f.Agency].agency.Profile().Order)
		if f.Decision != want {
			o.fault(f.Declaration, "%s stands at %s, its words come to %s", f.Agency, f.Decision, want)
		}
		seen[want]++
		if f.Delivery == "refused" {
			want = "rejected"
		}
		needs[f.Declaration], status[f.Declaration] = append(needs[f.Declaration], want), f.Status
	}
	for declaration, decisions := range needs {
		if want := together(decisions); status[declaration] != want {
			o.fault(declaration, "stands at %s, %v come to %s", status[declaration], decisions, want)
		}
		seen[status[declaration]+"!"]++
	}
	before := m.l.count(t, `SELECT count(*) FROM notice n JOIN message m ON m.tenant_id = n.tenant_id AND m.declaration_id = n.declaration_id AND m.agency = n.agency
		WHERE n.source = 'notice' AND n.received_at < m.settled_at`)
	if before == 0 || len(seen) < 8 {
		t.Errorf("too little happened: %d came before their message was settled; %v", before, seen)
	}
	t.Logf("%d came before their message was settled; filings and declarations stand at %v", before, seen)
}

// answers are what the agencies said in answer to the messages, which they
// wrote themselves.
func (m *mail) answers(t *testing.T) map[[2]string][]heardFact {
	t.Helper()
	facts := map[[2]string][]heardFact{}
	type row struct {
		Reference, Agency string
		Body              []byte
	}
	for _, r := range rows[row](t, m.l, `SELECT d.reference, n.agency, n.body FROM notice n JOIN declaration d ON d.tenant_id = n.tenant_id AND d.id = n.declaration_id
		WHERE n.source = 'answer'`) {
		key := [2]string{r.Reference, r.Agency}
		facts[key] = append(facts[key], factOf(t, m.l.offices[r.Agency], r.Body))
	}
	return facts
}

// together says what a declaration's decisions come to.
func together(decisions []string) string {
	any := func(of ...string) bool {
		return slices.ContainsFunc(decisions, func(d string) bool { return slices.Contains(of, d) })
	}
	all := func(of ...string) bool {
		return !slices.ContainsFunc(decisions, func(d string) bool { return !slices.Contains(of, d) })
	}
	switch {
	case any("rejected"):
		return "rejected"
	case any("documentsRequired", "paymentDue"):
		return "actionNeeded"
	case any("inspection", "suspended"):
		return "held"
	case any("none", "received", "accepted", "underReview", "cancelPending"):
		return "processing"
	case all("cancelled"):
		return "cancelled"
	case all("closed", "cancelled"):
		return "closed"
	}
	return "cleared"
}

// A clerk writes an agency's notices.
type clerk struct {
	office    *office
	random    *rand.Rand
	chains    [][]adapters.Step
	steps     []adapters.Step // of all chains
	reopening []adapters.Step
	all       []adapters.Effect
	read      int64 // bytes of the agency's ledger
	written   map[[32]byte]bool
}

func newClerk(t *testing.T, o *office, random *rand.Rand) *clerk {
	t.Helper()
	c := &clerk{office: o, random: random, written: map[[32]byte]bool{}}
	words := o.agency.Script().Words
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if chain := words[word][1:]; len(chain) > 0 {
			c.chains, c.steps = append(c.chains, chain), append(c.steps, chain...)
		}
	}
	for _, step := range c.steps {
		if c.letter(t, nobody(), step, time.Now()).fact.Reopens {
			c.reopening = append(c.reopening, step)
		}
	}
	return c
}

// effects counts what the agency took since the last time and gives that which
// it did not refuse at once: there it has nothing more to say, and may not even
// have given a number.
func (c *clerk) effects(t *testing.T) (count int, taken []adapters.Effect) {
	t.Helper()
	ledger, err := os.Open(c.office.ledger)
	must(t, err)
	content, err := io.ReadAll(io.NewSectionReader(ledger, c.read, 1<<30))
	must(t, err)
	must(t, ledger.Close())
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	c.read += int64(len(content))
	for line := range bytes.Lines(content) {
		var effect adapters.Effect
		must(t, json.Unmarshal(line, &effect))
		count++
		if _, word, _ := strings.Cut(effect.Reference, "."); len(c.office.agency.Script().Words[word]) != 1 {
			taken = append(taken, effect)
		}
	}
	c.all = append(c.all, taken...)
	return count, taken
}

// write gives at least so many letters about an effect: mostly what the folder
// has the agency say, step by step; often with a correction after it; and then
// whatever else an agency could say. Half of them were issued days ago.
func (c *clerk) write(t *testing.T, effect adapters.Effect, count int) (letters []*letter) {
	t.Helper()
	issued := effect.At.Truncate(time.Second)
	if c.random.IntN(2) == 0 {
		issued = issued.Add(-time.Duration(1+c.random.IntN(10*24)) * time.Hour)
	}
	put := func(step adapters.Step, minute int) {
		letter := c.letter(t, effect, step, issued.Add(time.Duration(minute)*time.Minute))
		if digest := sha256.Sum256(letter.body); !c.written[digest] {
			c.written[digest] = true
			letters = append(letters, letter)
		}
	}
	if count > 1 && c.random.IntN(3) > 0 {
		chain := c.chains[c.random.IntN(len(c.chains))]
		for i, step := range chain {
			put(step, i)
		}
		if len(c.reopening) > 0 && c.random.IntN(2) == 0 {
			put(c.reopening[c.random.IntN(len(c.reopening))], len(chain)+c.random.IntN(3))
		}
	}
	for len(letters) < count {
		put(c.steps[c.random.IntN(len(c.steps))], c.random.IntN(6)*c.random.IntN(6))
	}
	c.random.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	return letters
}

func (c *clerk) letter(t *testing.T, effect adapters.Effect, step adapters.Step, at time.Time) *letter {
	t.Helper()
	body, err := c.office.agency.Script().Fill(step, effect, at)
	must(t, err)
	return &letter{
		agency: c.office.agency.Profile().Name, credential: c.office.credential, reference: effect.Reference, body: body, fact: factOf(t, c.office, body),
	}
}

// factOf reads a notice as its agency's folder does.
func factOf(t *testing.T, o *office, body []byte) heardFact {
	t.Helper()
	reading, err := o.agency.Read(body)
	must(t, err)
	return heardFact{
		Word: reading.Word, Decision: string(cmp.Or(reading.Decision, declare.DecisionNone)), IssuedAt: reading.IssuedAt,
		Version: int32(reading.Version), Rank: int32(reading.Rank), Opens: reading.Opens, Reopens: reading.Reopens,
	}
}

// nobody is an effect of a message that nobody sent.
func nobody() adapters.Effect {
	return adapters.Effect{DeliveryID: newIDs().New("msg"), Reference: "NOBODY-1", At: time.Now()}
}
