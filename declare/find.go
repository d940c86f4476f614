package declare

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrCursor is given for what is no cursor of a list of declarations.
var ErrCursor = errors.New("declare: not a cursor")

// A Question says which of a tenant's declarations are asked for: those that
// agree with all of it. What is zero, or not legible, agrees with any.
type Question struct {
	Tenant             string
	Reference          string    // the trader's own
	Number             string    // any number the declaration is known by, see [Gateway.Find]
	Statuses           []Overall // one of them
	Agency, Kind, Port string    // filed to it; of it; of goods that pass it
	From, To           time.Time // received from the one, and before the other
	After              string    // the cursor of the page before
	Limit              int       // at least 1
}

// A Listing is a page of declarations, the latest received first.
type Listing struct {
	Declarations []Status
	Next         string // the cursor to ask after for what is behind; "" where nothing is
}

// Overalls are the statuses a declaration may have.
var Overalls = []Overall{OverallProcessing, OverallActionNeeded, OverallHeld, OverallCleared, OverallClosed, OverallRejected, OverallCancelled}

// Find lists a tenant's declarations. A number is the declaration's id or
// reference, a number an agency gave, or one of those keys.yaml of its kind
// names: bills, containers, voyages. It is looked for exactly, without spaces
// around it; an IMO number with or without the letters before it. What is filed
// between two pages moves no declaration from one to the other. The error may
// be [ErrCursor].
func (g *Gateway) Find(ctx context.Context, q Question) (Listing, error) {
	behind, err := q.behind()
	if err != nil {
		return Listing{}, err
	}
	name, arguments := q.statement(behind)
	var spots []spot
	err = g.desk.one(ctx, TenantScope(q.Tenant), name, arguments, func(rows pgx.Rows) error {
		var s spot
		_, err := pgx.ForEachRow(rows, []any{&s.id, &s.at}, func() error {
			spots = append(spots, s)
			return nil
		})
		return err
	})
	if err != nil || len(spots) == 0 {
		return Listing{}, err
	}
	var listing Listing
	if len(spots) > q.Limit {
		spots = spots[:q.Limit]
		listing.Next = spots[q.Limit-1].cursor()
	}
	ids := make([]string, len(spots))
	for i, s := range spots {
		ids[i] = s.id
	}
	listing.Declarations, err = g.desk.find(ctx, q.Tenant, ids)
	return listing, err
}

// statement names the statement that answers a question, with its arguments.
// One declaration more than asked for tells whether there is another page.
func (q Question) statement(behind spot) (name string, arguments []any) {
	statuses := make([]string, 0, len(Overalls))
	for _, status := range Overalls {
		if len(q.Statuses) == 0 || slices.Contains(q.Statuses, status) {
			statuses = append(statuses, string(status))
		}
	}
	arguments = []any{q.Tenant, statuses, behind.at, behind.id, q.Limit + 1, q.From, q.Agency, q.Kind, q.Port}
	numbers := spellings(q.Number)
	if q.Reference == "" && len(numbers) == 0 {
		return "find", arguments
	}
	return "find_numbered", append(arguments, q.Reference, numbers)
}

var imoSpelling = regexp.MustCompile(`^(?i:IMO[ -]?)?([0-9]{7})$`)

// spellings are the ways a number may have been written down.
func spellings(number string) []string {
	number = strings.TrimSpace(number)
	if number == "" {
		return []string{}
	}
	all := []string{number}
	if digits := imoSpelling.FindStringSubmatch(number); digits != nil {
		all = append(all, digits[1], "IMO"+digits[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A spot is a declaration's place in the order of lists.
type spot struct {
	at time.Time
	id string
}

// endOfTime is later than anything can be received.
var endOfTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// behind is where a page begins: behind the cursor and before the end of the
// period, whichever is earlier.
func (q Question) behind() (spot, error) {
	end := spot{at: q.To}
	if q.To.IsZero() || q.To.After(endOfTime) {
		end.at = endOfTime
	}
	if q.After == "" {
		return end, nil
	}
	last, err := spotOf(q.After)
	if err == nil && end.at.After(last.at) {
		return last, nil
	}
	return end, err
}

const spotForm = 1 // the first byte of a cursor

func (s spot) cursor() string {
	binaryForm := binary.BigEndian.AppendUint64([]byte{spotForm}, uint64(s.at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(binaryForm, s.id...))
}

var declarationID = regexp.MustCompile(`^dec_[0-9A-HJKMNP-TV-Z]{26}$`)

func spotOf(cursor string) (spot, error) {
	binaryForm, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(binaryForm) < 9 || binaryForm[0] != spotForm || !declarationID.Match(binaryForm[9:]) {
		return spot{}, ErrCursor
	}
	s := spot{time.UnixMicro(int64(binary.BigEndian.Uint64(binaryForm[1:]))).UTC(), string(binaryForm[9:])}
	if s.at.Year() < 1 || s.at.After(endOfTime) {
		return spot{}, ErrCursor
	}
	return s, nil
}
