package board

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"singlewindow/declare"
	queries "singlewindow/declare/board"
)

// pageLength is how many declarations a page shows.
const pageLength = 50

func (b *board) registerList() {
	b.mux.HandleFunc("GET "+Root+"{$}", b.signedIn(b.list))
}

// listPage is what the list shows.
type listPage struct {
	Agencies []agencyRow
	Asked    asked
	Fault    string // key of a text: what was asked cannot be
	Counts   []countLink
	Lines    []lineRow
	Next     string // address of the next page; "" on the last
	First    string // of the first page; "" on it
	Refresh  string // of this page
	From     time.Time
	Live     string // address of what changes from now on
	Statuses []declare.Overall
	Whos     []string
	Waits    []string
	OwnWait  bool // the length of time asked for is none of Waits
}

// asked is the filter as it stands in the address.
type asked struct {
	Status, Agency, Port, Who, Waiting, Number, From, To, Order, After string
}

var (
	waitForm   = regexp.MustCompile(`^([1-9][0-9]{0,3})([mhd])$`)
	waitUnits  = map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	waits      = []string{"1h", "4h", "1d", "3d", "7d"}
	whos       = []string{declare.WhoTrader, declare.WhoAgency, declare.WhoOperator}
	agencyForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	portForm   = regexp.MustCompile(`^[A-Z0-9]{2,17}$`)
	placeID    = regexp.MustCompile(`^dec_[0-9A-Z]{26}$`)
)

const orderLongest = "longest"

// longestNumber bounds what can be searched for, in bytes.
const longestNumber = 200

func askedIn(query url.Values) asked {
	get := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	return asked{
		get("status"), get("agency"), strings.ToUpper(get("port")), get("who"), get("waiting"), get("number"), get("from"), get("to"), get("order"), get("after"),
	}
}

// filter reads what was asked; fault is the key of a text where it cannot be.
func (b *board) filter(a asked) (filter queries.Filter, after queries.Place, fault string) {
	filter = queries.Filter{Status: declare.Overall(a.Status), Agency: a.Agency, Port: a.Port, Who: a.Who, Number: a.Number, Longest: a.Order == orderLongest}
	known := (a.Status == "" || slices.Contains(queries.Statuses, filter.Status)) &&
		(a.Agency == "" || agencyForm.MatchString(a.Agency)) && (a.Port == "" || portForm.MatchString(a.Port)) &&
		(a.Who == "" || slices.Contains(whos, a.Who) || a.Who == declare.WhoNobody) && (a.Order == "" || filter.Longest) &&
		len(a.Number) <= longestNumber && strings.ToValidUTF8(a.Number, "") == a.Number && !strings.Contains(a.Number, "\x00")
	if !known {
		return filter, after, "list.fault.filter"
	}
	if a.Waiting != "" {
		parts := waitForm.FindStringSubmatch(a.Waiting)
		if parts == nil {
			return filter, after, "list.fault.waiting"
		}
		count, err := strconv.Atoi(parts[1])
		if err != nil {
			return filter, after, "list.fault.waiting"
		}
		filter.Waiting = time.Duration(count) * waitUnits[parts[2]]
	}
	var good bool
	if filter.From, good = b.day(a.From, 0); !good {
		return filter, after, "list.fault.day"
	}
	if filter.To, good = b.day(a.To, 1); !good {
		return filter, after, "list.fault.day"
	}
	if after, good = placeOf(a.After); !good {
		return filter, after, "list.fault.place"
	}
	return filter, after, ""
}

// day reads a date as the beginning of that day, or of one some days later.
func (b *board) day(text string, later int) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	day, err := time.ParseInLocation(time.DateOnly, text, b.zone)
	return day.AddDate(0, 0, later), err == nil && day.Year() >= 1970 && day.Year() <= 9999
}

// written gives a place in the list as an address has it.
func written(place queries.Place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(place.ID + place.At.UTC().Format(time.RFC3339Nano)))
}

func placeOf(text string) (place queries.Place, good bool) {
	if text == "" {
		return place, true
	}
	const length = len("dec_") + 26
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(plain) < length {
		return place, false
	}
	place.ID = string(plain[:length])
	place.At, err = time.Parse(time.RFC3339Nano, string(plain[length:]))
	return place, err == nil && placeID.MatchString(place.ID) && place.At.Year() >= 1970 && place.At.Year() <= 9999
}

// with gives the list's address with other values for some of what was asked;
// a changed list begins at its first page.
func (a asked) with(changes ...string) string {
	query := url.Values{}
	for name, value := range map[string]string{
		"status": a.Status, "agency": a.Agency, "port": a.Port, "who": a.Who, "waiting": a.Waiting,
		"number": a.Number, "from": a.From, "to": a.To, "order": a.Order,
	} {
		query.Set(name, value)
	}
	for i := 0; i < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
	}
	for name := range query {
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	if len(query) == 0 {
		return Root
	}
	return Root + "?" + query.Encode()
}

// beside names the agency or port that the visitor sees the declarations of.
func (v visitor) beside() queries.Filter { return queries.Filter{Agency: v.Agency, Port: v.Port} }

func (b *board) list(w http.ResponseWriter, r *http.Request, v visitor) {
	a := askedIn(r.URL.Query())
	filter, after, fault := b.filter(a)
	page := listPage{
		Asked: a, Fault: fault, Refresh: a.with("after", a.After), Statuses: queries.Statuses, Whos: append(slices.Clone(whos), declare.WhoNobody), Waits: waits,
	}
	page.OwnWait = a.Waiting != "" && !slices.Contains(waits, a.Waiting) && fault == ""
	if a.After != "" {
		page.First = a.with()
	}
	live, err := b.liveAddress(r, v) // before the list is read: what changes in between is told
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	page.Live = live
	if page.Agencies, err = b.agencies(r); err != nil {
		b.fail(w, r, v, err)
		return
	}
	if fault != "" {
		b.renderStatus(w, r, v, http.StatusBadRequest, "list", page)
		return
	}
	found, err := b.queries.List(r.Context(), v.Scope(), v.beside(), filter, after, pageLength)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	page.From = found.From
	page.Counts = counted(a, found)
	page.Lines = b.lineRows(v, found.Lines)
	if found.Next != nil {
		page.Next = a.with("after", written(*found.Next))
	}
	b.render(w, r, v, "list", page)
}

// countLink is the number of declarations in one status, which leads to them.
type countLink struct {
	Status  declare.Overall // "" for all
	Count   string
	Address string
	Chosen  bool
}

// counted shows a count beyond what is counted as "2,000+", and so a sum that
// has one in it.
func counted(a asked, page queries.Page) []countLink {
	shown := func(count int, beyond bool) string {
		if beyond {
			return groupThousands(count) + "+"
		}
		return groupThousands(count)
	}
	all, beyond := 0, false
	var links []countLink
	for _, status := range queries.Statuses {
		count := page.Counts[status]
		more := !page.Exact && count > queries.MostCounted
		if more {
			count, beyond = queries.MostCounted, true
		}
		all += count
		links = append(links, countLink{status, shown(count, more), a.with("status", string(status)), a.Status == string(status)})
	}
	return append([]countLink{{"", shown(all, beyond), a.with("status", ""), a.Status == ""}}, links...)
}

// agencyRow is how an agency is doing.
type agencyRow struct {
	Name      string
	State     string // connected, paused, denied, off
	Since     time.Time
	Reason    string
	Queue     string
	NextProbe *time.Time
}

func (b *board) agencies(r *http.Request) ([]agencyRow, error) {
	known, err := b.gateway.Agencies(r.Context())
	if err != nil {
		return nil, err
	}
	var rows []agencyRow
	for _, health := range known {
		queue := groupThousands(health.Waiting)
		if health.Waiting >= mostQueued {
			queue += "+"
		}
		rows = append(rows, agencyRow{health.Profile.Name, health.State, health.Since, health.Reason, queue, health.NextProbe})
	}
	return rows, nil
}

// mostQueued is where the gateway stops counting a queue.
const mostQueued = 10_000

func inLanguage(lang string, text declare.Text) string {
	if lang == "zh" && text.Chinese != "" {
		return text.Chinese
	}
	return text.English
}

// kindTitle is what people call a kind; its name where it is not known any more.
func (b *board) kindTitle(language, name string) string {
	if kind := b.kinds[name]; kind != nil {
		return inLanguage(language, kind.Title)
	}
	return name
}

// lineRow is one declaration's line.
type lineRow struct {
	queries.Line
	KindTitle string
	Mark      mark
	Who       string // key of who must act
	Why       string // key of why, or ""
	Waits     time.Duration
	Badges    []badge
	Address   string
}

// mark is how a state looks beside its word: never colour alone.
type mark struct{ Icon, Class string }

// badge is where a declaration stands at one agency.
type badge struct {
	Agency string
	Text   string // key
	Mark   mark
	Since  time.Time
	Turn   bool // it is this agency's move
}

var overallMarks = map[declare.Overall]mark{
	declare.OverallProcessing: {"…", ""}, declare.OverallActionNeeded: {"!", "warn"}, declare.OverallHeld: {"‖", "warn"},
	declare.OverallCleared: {"✓", "good"}, declare.OverallClosed: {"✓", "good"}, declare.OverallRejected: {"✕", "bad"}, declare.OverallCancelled: {"–", ""},
}

var decisionMarks = map[declare.Decision]mark{
	declare.DecisionReceived: {"…", ""}, declare.DecisionAccepted: {"…", ""}, declare.DecisionUnderReview: {"…", ""},
	declare.DecisionDocumentsRequired: {"!", "warn"}, declare.DecisionPaymentDue: {"!", "warn"}, declare.DecisionInspection: {"‖", "warn"},
	declare.DecisionSuspended: {"‖", "warn"}, declare.DecisionReleasedConditionally: {"✓", "good"}, declare.DecisionReleased: {"✓", "good"},
	declare.DecisionClosed: {"✓", "good"}, declare.DecisionRejected: {"✕", "bad"}, declare.DecisionCancelPending: {"…", ""}, declare.DecisionCancelled: {"–", ""},
}

var deliveryMarks = map[declare.Delivery]mark{
	declare.DeliveryQueued: {"→", ""}, declare.DeliverySending: {"→", ""}, declare.DeliveryDelivered: {"…", ""},
	declare.DeliveryUnsure: {"?", "warn"}, declare.DeliverySetAside: {"?", "warn"}, declare.DeliveryRefused: {"✕", "bad"},
}

func (b *board) lineRows(v visitor, lines []queries.Line) []lineRow {
	rows := make([]lineRow, len(lines))
	for i, line := range lines {
		rows[i] = b.lineRow(v, line)
	}
	return rows
}

func (b *board) lineRow(v visitor, line queries.Line) lineRow {
	row := lineRow{
		Line: line, KindTitle: b.kindTitle(v.Lang, line.Kind), Mark: overallMarks[line.Status.Status], Who: "list.who." + line.WaitingFor.Who,
		Waits: b.now().Sub(line.WaitingFor.Since), Address: declarationAddress(line.Tenant, line.ID),
	}
	if key := "list.why." + line.WaitingFor.Why; line.WaitingFor.Who != declare.WhoNobody && b.texts.has(key) {
		row.Why = key
	}
	for _, standing := range line.Badges {
		shown := badgeOf(standing)
		shown.Turn = line.WaitingFor.Who == declare.WhoAgency && line.WaitingFor.Agency == standing.Agency
		row.Badges = append(row.Badges, shown)
	}
	return row
}

// badgeOf shows the agency's decision or, before there is one, how far the
// message got, where that may be seen.
func badgeOf(b queries.Badge) badge {
	switch {
	case b.Decision != declare.DecisionNone:
		return badge{Agency: b.Agency, Text: "list.decision." + string(b.Decision), Mark: decisionMarks[b.Decision], Since: b.Since}
	case b.Delivery != "":
		return badge{Agency: b.Agency, Text: "list.delivery." + string(b.Delivery), Mark: deliveryMarks[b.Delivery], Since: b.DeliverySince}
	}
	return badge{Agency: b.Agency, Text: "list.decision.none", Mark: mark{"…", ""}, Since: b.Since}
}
