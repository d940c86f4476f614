package declare

import (
	"log/slog"
	"testing"
	"time"
)

// shanghai is eight hours ahead all year round.
var shanghai = time.FixedZone("", 8*60*60)

func versionFrom(name, version, day string) *authority {
	from, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return &authority{profile: Profile{Name: name, Version: version, ValidFrom: from, Zone: shanghai, On: true}}
}

// A version counts from midnight of its day where the agency is, and nothing
// has to happen for it.
func TestVersionsTakeTurnsAtMidnight(t *testing.T) {
	t.Parallel()
	c := newCourier(&Gateway{}, versionFrom("port", "3", "2027-01-01"), versionFrom("port", "2", "2026-07-01"), versionFrom("port", "1", "2026-01-01"))
	for _, moment := range []struct {
		at, version, next string
		inForce           bool
	}{
		{"2025-12-31T15:59:59Z", "1", "1", false},
		{"2025-12-31T16:00:00Z", "1", "2", true},
		{"2026-06-30T15:59:59.999Z", "1", "2", true},
		{"2026-06-30T16:00:00Z", "2", "3", true},
		{"2026-12-31T15:59:59Z", "2", "3", true},
		{"2026-12-31T16:00:00Z", "3", "", true},
		{"2999-01-01T00:00:00Z", "3", "", true},
	} {
		now, err := time.Parse(time.RFC3339, moment.at)
		if err != nil {
			t.Fatal(err)
		}
		agency, inForce := c.version(now)
		next := ""
		if waiting := c.next(now); waiting != nil {
			next = waiting.Version
		}
		if version := agency.Profile().Version; version != moment.version || inForce != moment.inForce || next != moment.next {
			t.Errorf("at %s: version %s, in force %v, next %q", moment.at, version, inForce, next)
		}
	}
}

// Who is replaced keeps its courier; who is left out stays; who is not valid
// yet is not asked.
func TestARosterFollowsTheOneBefore(t *testing.T) {
	t.Parallel()
	g := &Gateway{log: slog.New(slog.DiscardHandler)}
	first := g.enroll(&roster{}, []Agency{versionFrom("port", "1", "2026-01-01"), versionFrom("office", "1", "2026-01-01")}, nil)
	port, office := first.couriers["port"], first.couriers["office"]
	second := g.enroll(first, []Agency{
		versionFrom("port", "1", "2026-01-01"), versionFrom("port", "2", "2026-02-01"), versionFrom("bank", "1", "2999-01-01"),
	}, map[string]RefusedFolder{"office": {}})
	g.roster.Store(second)
	if len(second.names) != 3 || second.couriers["port"] != port || second.couriers["office"] != office {
		t.Fatalf("%v", second.names)
	}
	var asked []string
	for _, agency := range g.asked(foldStart) {
		asked = append(asked, agency.Profile().Name+" "+agency.Profile().Version)
	}
	if len(asked) != 2 || asked[0] != "office 1" || asked[1] != "port 2" {
		t.Errorf("asked: %v", asked)
	}
	if len(first.names) != 2 {
		t.Errorf("the roster before was changed: %v", first.names)
	}
	for name, want := range map[string]string{"office": "", "port": "", "bank": ReasonNotYetValid} {
		if h := second.describe(name, AgencyHealth{State: agencyConnected}, foldStart); h.Reason != want || (h.Refused != nil) != (name == "office") || (h.Next != nil) != (name == "bank") {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// A folder that never became an agency is told too.
func TestARefusedNewcomerIsTold(t *testing.T) {
	t.Parallel()
	r := (&Gateway{}).enroll(&roster{}, nil, map[string]RefusedFolder{"port": {Faults: []FileError{{File: "port/goods.yaml", Line: 3}}}})
	h := r.describe("port", AgencyHealth{}, foldStart)
	if h.State != "off" || h.Reason != ReasonFolderRefused || h.Profile.Name != "port" || h.Refused == nil || h.Refused.Faults[0].Line != 3 {
		t.Errorf("%+v", h)
	}
}
