package declare

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// heardNotice is a notice as the fold sees it.
type heardNotice struct {
	id         string
	receivedAt time.Time
	numbers    map[string]string
	issuedAt   time.Time
	version    int
	rank       int
	word       string
	decision   Decision
	reopens    bool
	remark     string
	opens      bool
	errors     []AgencyError
	duties     []Duty
	documents  []DocumentWanted
}

// standing is what an agency's notices amount to.
type standing struct {
	decision  Decision
	word      string
	remark    string
	errors    []AgencyError
	documents []DocumentWanted
	duties    []Duty
	since     time.Time
	numbers   map[string]string
}

// fold reads an agency's notices in the order its folder declares, whatever
// order they arrived in: the last word that moves the decision counts, see
// [decisionTable]. Numbers accumulate; the duties are those of the last notice that
// tells any.
func fold(notices []heardNotice, order []string, acceptedAt time.Time) standing {
	result := standing{decision: DecisionNone, since: acceptedAt, numbers: map[string]string{}}
	for _, notice := range inOrder(notices, order) {
		maps.Copy(result.numbers, notice.numbers)
		if len(notice.duties) > 0 {
			result.duties = notice.duties
		}
		if !notice.moves(result.decision) {
			continue
		}
		if notice.decision != result.decision {
			result.since = notice.receivedAt
		}
		result.decision, result.word, result.remark = notice.decision, notice.word, notice.remark
		result.errors, result.documents = notice.errors, notice.documents
	}
	return result
}

// inOrder sorts notices by the declared order; the arrival and the id only
// decide between notices the agency itself does not tell apart.
func inOrder(notices []heardNotice, order []string) []heardNotice {
	notices = slices.Clone(notices)
	slices.SortFunc(notices, func(a, b heardNotice) int {
		for _, by := range order {
			var c int
			switch by {
			case "version":
				c = cmp.Compare(a.version, b.version)
			case "issuedAt":
				c = a.issuedAt.Compare(b.issuedAt)
			case "rank":
				c = cmp.Compare(a.rank, b.rank)
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.word, b.word), cmp.Compare(a.id, b.id))
	})
	return notices
}
