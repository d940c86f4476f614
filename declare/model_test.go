package declare

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The model: two workers, one message and one agency, in every order that
// things may happen in. What follows from a happening is looked up in the
// protocol itself; what the SQL of take, settle, expire_leases and
// prove_deliveries does to the row is written here once more, a few lines each.
//
// It assumes of the world what docs and folders promise: a copy on the wire
// is taken or gone within the agency's deadline; an agency that denies
// knowledge tells the truth at that moment; one that is declared idempotent
// has one effect for each delivery id. Everything else may go wrong at any
// step: copies and answers are lost, workers crash or are held up beyond their
// lease, notices come at any moment and any number of times.

// A world is what the agency is like and what is broken on purpose.
type world struct {
	inquirable, idempotent bool
	noFence                bool // who settles need not hold the lease
	resendExpired          bool // an expired lease is a fresh start
	newIDs                 bool // each attempt has a delivery id of its own
	keepDenials            bool // what was denied of an earlier copy counts for the next
	noLeaseCheck           bool // who was held up speaks all the same
	hastyDenials           bool // the second denial may come at once
	restless               bool // a message that only an officer can move is tried again
	forgetful              bool // an unsure message that cannot be asked about is nobody's task
}

func (w world) String() string {
	return fmt.Sprintf("inquirable %-5t idempotent %-5t", w.inquirable, w.idempotent)
}

type phase int8

const (
	idle phase = iota
	speaking
	waiting // for the answer to a copy
	settling
	elsewhere // with the second message
)

// A worker is one process's goroutine with the message in its hands.
type worker struct {
	phase   phase
	mine    bool // its epoch is the row's
	marked  bool // a copy may have left before it took the message
	answer  bool // what it settles comes with a notice
	unsent  bool
	task    bool
	denials int8
	asked   bool
	at, to  Delivery
	again   again
}

const mostOrphans = 2

// A scene is one state of everything.
type scene struct {
	delivery  Delivery
	lease     int8 // 0 none, 1 running, 2 over
	denials   int8
	again     again // what the row waits for; atOnce: it is due
	marked    bool
	task      bool
	heard     bool // a notice about it is stored
	workers   [2]worker
	onWire    [2]bool // the copy a worker waits about
	orphans   int8    // copies that nobody waits about any more
	effects   int8
	refusals  int8
	second    second
	violation string
}

// second is another message to the same agency, which causes no trouble: it is
// there to be held up.
type second int8

const (
	none second = iota
	inQueue
	inHand
	done
)

func (s second) waits() bool { return s == inQueue || s == inHand }

// A cause is who or what brings a step about.
type cause int8

const (
	ours    cause = iota // we go on, as soon as we can
	waited               // time passes, and the agency is silent
	told                 // the agency answers, or is not there
	unasked              // the agency sends a notice
	death                // of a process
)

// A sequel leads from one scene to another.
type sequel struct {
	name  string
	cause cause
	to    scene
}

// search finds every scene, breadth first.
type search struct {
	world
	scenes []scene
	index  map[scene]int
	parent []int
	by     []string
	depth  []int
	edges  [][]edge
}

type edge struct {
	to    int
	cause cause
}

func explore(w world, second second) *search {
	s := &search{world: w, index: map[scene]int{}}
	s.add(scene{delivery: DeliveryQueued, second: second}, -1, "accepted from the trader", 0)
	for i := 0; i < len(s.scenes); i++ {
		if s.scenes[i].violation != "" {
			return s
		}
		var out []edge
		for _, next := range s.steps(s.scenes[i]) {
			next.to.violation = next.to.wrong(s.scenes[i])
			out = append(out, edge{s.add(next.to, i, next.name, s.depth[i]+1), next.cause})
		}
		s.edges = append(s.edges, out)
	}
	return s
}

func (s *search) add(to scene, parent int, by string, depth int) int {
	i, known := s.index[to]
	if !known {
		i = len(s.scenes)
		s.index[to] = i
		s.scenes, s.parent, s.by, s.depth = append(s.scenes, to), append(s.parent, parent), append(s.by, by), append(s.depth, depth)
	}
	return i
}

// wrong says what may never be, in a scene or on the way to it.
func (c scene) wrong(before scene) string {
	final := before.delivery == DeliveryDelivered || before.delivery == DeliveryRefused
	switch {
	case c.effects > 1:
		return "two effects"
	case c.delivery == DeliveryDelivered && c.effects == 0 && c.refusals == 0:
		return "delivered, and nothing there"
	case c.delivery == DeliveryRefused && c.refusals == 0:
		return "refused by nobody"
	case final && c.delivery != before.delivery:
		return "moved though settled"
	case !before.delivery.MayBecome(c.delivery):
		return "a step that the ledger refuses"
	}
	return ""
}

func (c scene) known() bool { return c.effects+c.refusals > 0 }

// settledForUs tells whether nothing here is to move the message any more, and
// somebody can see why.
func (c scene) settledForUs() bool {
	return c.delivery == DeliveryDelivered || c.delivery == DeliveryRefused || c.task && (c.delivery == DeliverySetAside || c.again == never)
}

func (s *search) steps(c scene) []sequel {
	var all []sequel
	for i := range c.workers {
		all = append(all, s.work(c, i)...)
	}
	all = append(all, s.passing(c)...)
	return append(all, s.agency(c)...)
}

// work is what a worker may do, or suffer, next.
func (s *search) work(c scene, i int) []sequel {
	w := c.workers[i]
	name := "worker " + string("AB"[i])
	var all []sequel
	if w.phase == idle {
		if c.again == atOnce && (c.delivery == DeliveryQueued || c.delivery == DeliveryUnsure) {
			all = append(all, sequel{name + " takes it", ours, s.take(c, i)})
		}
		if c.second == inQueue {
			c.second, c.workers[i].phase = inHand, elsewhere
			all = append(all, sequel{name + " takes the other", ours, c})
		}
		return all
	}
	crashed := c
	crashed.abandon(i)
	crashed.workers[i] = worker{}
	if w.phase == elsewhere {
		crashed.second = inQueue
	}
	all = append(all, sequel{name + " dies", death, crashed})
	switch w.phase {
	case elsewhere:
		c.second, c.workers[i] = done, worker{}
		all = append(all, sequel{name + " settles the other", ours, c})
	case speaking:
		all = append(all, s.speak(c, i, name)...)
	case waiting:
		c.abandon(i)
		all = append(all, sequel{name + " waits no longer", waited, s.judged(c, i, onNoAnswer, false)})
	case settling:
		all = append(all, sequel{name + " settles it as " + string(w.to), ours, s.settle(c, i)})
	}
	return all
}

// abandon leaves a worker's copy, if it is still on the wire, to itself.
func (c *scene) abandon(i int) {
	if c.onWire[i] {
		c.onWire[i] = false
		c.orphans++
	}
}

// take is sql/take.sql: a lease, a raised epoch, "sending".
func (s *search) take(c scene, i int) scene {
	w := worker{mine: true, marked: c.marked, asked: c.delivery == DeliveryUnsure, denials: c.denials}
	from := c.delivery
	c.workers[1-i].mine = false
	c.delivery, c.lease, c.marked = DeliverySending, 1, true
	c.workers[i] = w
	return s.decided(c, i, from, onTaken)
}

// speak sends the message, or asks about it, if the lease is not over.
func (s *search) speak(c scene, i int, name string) []sequel {
	w := c.workers[i]
	if !s.noLeaseCheck && (!w.mine || c.lease != 1) {
		return []sequel{{name + " comes too late to speak", ours, s.judged(c, i, onNotTried, false)}}
	}
	all := []sequel{{name + " reaches nobody", told, s.judged(c, i, onNotTaken, false)}}
	switch {
	case w.at == DeliverySending && c.orphans < mostOrphans:
		c.workers[i].phase, c.onWire[i] = waiting, true
		all = append(all, sequel{name + " sends", waited, c})
	case w.at == asking:
		all = append(all, sequel{name + " asks in vain", waited, s.judged(c, i, onNoAnswer, false)})
		switch {
		case !c.known() || s.newIDs:
			all = append(all, sequel{name + " asks: unknown", told, s.judged(c, i, onUnknown, false)})
		case c.effects > 0:
			all = append(all, sequel{name + " asks: taken", told, s.judged(c, i, onAccepted, true)})
		default:
			all = append(all, sequel{name + " asks: refused", told, s.judged(c, i, onRejected, true)})
		}
	}
	return all
}

func (s *search) judged(c scene, i int, on happening, answer bool) scene {
	c.workers[i].answer = answer
	return s.decided(c, i, c.workers[i].at, on)
}

// decided looks up in the protocol what a worker does next.
func (s *search) decided(c scene, i int, from Delivery, on happening) scene {
	w := &c.workers[i]
	a := attempt{inquirable: s.inquirable, idempotent: s.idempotent, asked: w.asked, denials: int(w.denials)}
	r := a.next(from, on)
	if !s.keepDenials || !r.anew {
		w.denials = min(int8(a.denials), enoughDenials)
	}
	w.at, w.to, w.again, w.unsent, w.task = "", r.to, r.again, r.unsent, r.task
	if s.restless && r.again == never {
		w.again = afterPause
	}
	if s.forgetful {
		w.task = false
	}
	w.phase = settling
	if r.to == DeliverySending || r.to == asking {
		w.phase, w.at, w.to = speaking, r.to, ""
	}
	return c
}

// settle is sql/settle_messages.sql and sql/prove_deliveries.sql; an answer is
// stored as a notice whoever has the lease.
func (s *search) settle(c scene, i int) scene {
	w := c.workers[i]
	if w.mine && c.delivery == DeliverySending || s.noFence {
		c.delivery, c.lease, c.denials, c.again = w.to, 0, w.denials, w.again
		c.task = c.task || w.task
		if w.unsent {
			c.marked = w.marked
		}
	}
	c.workers[i] = worker{}
	c.heard = c.heard || w.answer
	return c.proved()
}

func (c scene) proved() scene {
	if c.heard && slices.Contains(movedBy(onNotice), c.delivery) {
		c.delivery, c.again, c.task = DeliveryDelivered, atOnce, false
		for i := range c.workers {
			c.workers[i].mine = false
		}
	}
	return c
}

// passing is what time brings: leases end and are found over, pauses end.
func (s *search) passing(c scene) []sequel {
	switch {
	case c.lease == 1:
		c.lease = 2
		return []sequel{{"the lease ends", waited, c}}
	case c.lease == 2:
		var a attempt
		r := a.next(c.delivery, onLeaseExpired)
		c.delivery, c.lease, c.again = r.to, 0, r.again
		if !s.keepDenials {
			c.denials = 0
		}
		if s.resendExpired {
			c.delivery = DeliveryQueued
		}
		for i := range c.workers {
			c.workers[i].mine = false
		}
		return []sequel{{"the sweep finds the lease over", ours, c.proved()}, {"the sweep finds the lease over and dies", death, c}}
	case c.again == afterPause, c.again == afterDeadline && (s.hastyDenials || c.onWire == [2]bool{} && c.orphans == 0):
		c.again = atOnce
		return []sequel{{"it is due", ours, c}}
	}
	return nil
}

// agency is what the other side may do.
func (s *search) agency(c scene) []sequel {
	var all []sequel
	for i := range c.onWire {
		if !c.onWire[i] {
			continue
		}
		name := " of worker " + string("AB"[i])
		for _, landed := range s.land(c) {
			landed.to.onWire[i] = false
			all = append(all, sequel{"a copy" + name + landed.name + ", the answer is lost", told, landed.to})
			on := onAccepted
			if landed.to.effects == 0 {
				on = onRejected
			}
			all = append(all, sequel{"a copy" + name + landed.name, told, s.judged(landed.to, i, on, true)})
		}
		gone := c
		gone.onWire[i] = false
		all = append(all, sequel{"a copy" + name + " is lost", told, gone})
	}
	if c.orphans > 0 {
		c.orphans--
		for _, landed := range s.land(c) {
			all = append(all, sequel{"a late copy" + landed.name, told, landed.to})
		}
		all = append(all, sequel{"a late copy is lost", told, c})
		c.orphans++
	}
	if c.known() {
		c.heard = true
		all = append(all, sequel{"a notice comes", unasked, c.proved()})
	}
	return all
}

// land is what a copy may do at the agency: one that it knows has no second
// effect only if the agency is idempotent and the id is the same.
func (s *search) land(c scene) []sequel {
	if c.known() && s.idempotent && !s.newIDs {
		return []sequel{{" is known there", told, c}}
	}
	taken, refused := c, c
	taken.effects++
	refused.refusals = 1
	return []sequel{{" is taken", told, taken}, {" is refused", told, refused}}
}

// violation gives the shortest way to something that may never be.
func (s *search) violation() (what string, trace []string) {
	if i := slices.IndexFunc(s.scenes, func(c scene) bool { return c.violation != "" }); i >= 0 {
		return s.scenes[i].violation, s.trace(i)
	}
	if i := s.spinning(); i >= 0 {
		return "busy for ever with nothing", s.trace(i)
	}
	if i := s.without(scene.settledForUs, ours, waited, told); i >= 0 {
		return "lost", s.trace(i)
	}
	if i := s.without(func(c scene) bool { return !c.second.waits() }, ours, waited); i >= 0 {
		return "held up by another message", s.trace(i)
	}
	return "", nil
}

func (s *search) trace(i int) []string {
	var steps []string
	for ; i >= 0; i = s.parent[i] {
		c := s.scenes[i]
		steps = append(steps, fmt.Sprintf("%-45s %s, effects %d", s.by[i], c.delivery, c.effects))
	}
	slices.Reverse(steps)
	return steps
}

// without finds a scene from which none of the wanted ones can be reached by
// these causes alone.
func (s *search) without(wanted func(scene) bool, causes ...cause) int {
	back := make([][]int, len(s.scenes))
	for from, out := range s.edges {
		for _, e := range out {
			if slices.Contains(causes, e.cause) {
				back[e.to] = append(back[e.to], from)
			}
		}
	}
	reached := make([]bool, len(s.scenes))
	var open []int
	for i, c := range s.scenes {
		if wanted(c) {
			reached[i] = true
			open = append(open, i)
		}
	}
	for len(open) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		for _, from := range back[i] {
			if !reached[from] {
				reached[from] = true
				open = append(open, from)
			}
		}
	}
	return slices.Index(reached, false)
}

// spinning finds a circle that we run through without anything happening
// outside: what is left when scenes without a way on are taken away.
func (s *search) spinning() int {
	degree := make([]int, len(s.scenes)) // ways on, by ourselves
	back := make([][]int, len(s.scenes))
	var ends []int
	for from, out := range s.edges {
		for _, e := range out {
			if e.cause == ours {
				degree[from]++
				back[e.to] = append(back[e.to], from)
			}
		}
		if degree[from] == 0 {
			ends = append(ends, from)
		}
	}
	for len(ends) > 0 {
		i := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		for _, from := range back[i] {
			if degree[from]--; degree[from] == 0 {
				ends = append(ends, from)
			}
		}
	}
	return slices.IndexFunc(degree, func(d int) bool { return d > 0 })
}

// TestProtocolSearched looks at everything that can happen to a message.
func TestProtocolSearched(t *testing.T) {
	t.Parallel()
	for _, w := range []world{{}, {inquirable: true}, {idempotent: true}, {inquirable: true, idempotent: true}} {
		searched(t, w, none)
	}
	searched(t, world{}, inQueue)
	searched(t, world{inquirable: true}, inQueue)
}

func searched(t *testing.T, w world, second second) {
	t.Helper()
	s := explore(w, second)
	steps := 0
	for _, out := range s.edges {
		steps += len(out)
	}
	t.Logf("%s, beside another %-5t: %d states, %d steps, depth %d", w, second == inQueue, len(s.scenes), steps, slices.Max(s.depth))
	if what, trace := s.violation(); what != "" {
		t.Errorf("%s: %s\n\t%s", w, what, strings.Join(trace, "\n\t"))
	}
}

// TestProtocolSearchHasTeeth breaks the protocol on purpose: the search must
// show how it goes wrong.
func TestProtocolSearchHasTeeth(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]struct {
		world world
		want  string
	}{
		"no fence":                      {world{inquirable: true, noFence: true}, "moved though settled"},
		"an expired lease sent again":   {world{inquirable: true, resendExpired: true}, "two effects"},
		"a delivery id per attempt":     {world{idempotent: true, newIDs: true}, "two effects"},
		"denials of an earlier copy":    {world{inquirable: true, keepDenials: true}, "two effects"},
		"spoken after the lease":        {world{inquirable: true, noLeaseCheck: true}, "two effects"},
		"the second denial at once":     {world{inquirable: true, hastyDenials: true}, "two effects"},
		"tried though nothing may move": {world{restless: true}, "busy for ever with nothing"},
		"nobody's task":                 {world{forgetful: true}, "lost"},
	} {
		s := explore(broken.world, none)
		what, trace := s.violation()
		if what != broken.want {
			t.Errorf("%s: found %q, not %q\n\t%s", name, what, broken.want, strings.Join(trace, "\n\t"))
			continue
		}
		t.Logf("%s: %s\n\t%s", name, what, strings.Join(trace, "\n\t"))
	}
}
