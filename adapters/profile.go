package adapters

import (
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"singlewindow/declare"
)

// longestDeadline bounds what a folder may ask for one exchange; leases and
// draining are sized by it.
const longestDeadline = 25 * time.Second

// profileFile is agency.yaml.
type profileFile struct {
	Name       string
	Title      declare.Text
	Version    string
	ValidFrom  string `yaml:"validFrom"` // a date
	TimeZone   string `yaml:"timeZone"`  // IANA
	Protocol   string
	Schemas    []string // parts of the schema directory that are not shipped, see [Supply]
	Takes      map[string]takeEntry
	Deadline   time.Duration
	InFlight   int `yaml:"inFlight"`
	Breaker    breakerEntry
	Answers    answersEntry
	Idempotent bool
	Inquire    *inquireEntry
}

// takeEntry says when a kind concerns the agency and what makes its message.
type takeEntry struct {
	When    string // CEL over declaration
	Mapping string
	Schema  string
}

// breakerEntry sizes the breaker: it opens when, within window, at least
// minimum exchanges ended and ratio of them failed or took longer than slow.
type breakerEntry struct {
	Window  time.Duration
	Ratio   decimal.Decimal
	Minimum uint32
	Slow    time.Duration
	Probe   time.Duration
}

// answersEntry sorts HTTP statuses by what they say about the message.
type answersEntry struct {
	Taken      []int // says all: the message was taken, the body is not read
	Understood []int // the body is a notice
	NotTaken   []int `yaml:"notTaken"`
	Denied     []int
}

type inquireEntry struct {
	Path string // {deliveryId} stands for our delivery id
}

// profile reads agency.yaml and holds it to what the gateway relies on.
func readProfile(folder fs.FS, name string) (profileFile, *yamlFile, Faults) {
	var profile profileFile
	file, err := readYAML(folder, name, "agency.yaml", &profile)
	if err != nil {
		return profile, file, faultsOf(file.name, err)
	}
	var faults Faults
	demand := func(holds bool, text string, keys ...any) {
		if !holds {
			faults = append(faults, file.at(text, keys...))
		}
	}
	demand(profile.Name == agencyOf(name), "name must be the folder's name, up to any @", "name")
	demand(profile.Title.English != "" && profile.Title.Chinese != "", "title needs en and zh", "title")
	demand(profile.Version != "", "version is missing", "version")
	demand(profile.Protocol == "xml-over-http", "the only protocol is xml-over-http", "protocol")
	_, err = time.Parse(time.DateOnly, profile.ValidFrom)
	demand(err == nil, "validFrom must be a date such as 2026-01-01", "validFrom")
	_, err = time.LoadLocation(profile.TimeZone)
	demand(err == nil && profile.TimeZone != "", "timeZone must be an IANA name", "timeZone")
	for i, part := range profile.Schemas {
		demand(fs.ValidPath(part) && part != "." && !strings.Contains(part, "/"), "schemas names directories below schema", "schemas", i)
	}
	demand(len(profile.Takes) > 0, "takes names no kind", "takes")
	demand(profile.Deadline > 0 && profile.Deadline <= longestDeadline, "deadline must be above 0 and at most 25s", "deadline")
	demand(profile.InFlight > 0, "inFlight must be above 0", "inFlight")
	breaker := profile.Breaker
	demand(breaker.Window > 0 && breaker.Slow > 0 && breaker.Probe > 0 && breaker.Minimum > 0 && breaker.Ratio.IsPositive() && breaker.Ratio.LessThanOrEqual(decimal.New(1, 0)),
		"breaker needs window, slow, probe and minimum above 0 and ratio above 0 and at most 1", "breaker")
	demand(len(profile.Answers.Understood)+len(profile.Answers.Taken) > 0, "answers needs understood or taken", "answers")
	said := map[int]string{}
	for key, statuses := range map[string][]int{"taken": profile.Answers.Taken, "understood": profile.Answers.Understood, "notTaken": profile.Answers.NotTaken, "denied": profile.Answers.Denied} {
		for i, status := range statuses {
			demand(http.StatusText(status) != "", "not an HTTP status", "answers", key, i)
			demand(said[status] == "", "the status stands under "+said[status]+" already", "answers", key, i)
			said[status] = key
		}
	}
	if inquire := profile.Inquire; inquire != nil {
		demand(strings.HasPrefix(inquire.Path, "/") && strings.Contains(inquire.Path, "{deliveryId}"),
			"inquire.path must begin with / and contain {deliveryId}", "inquire", "path")
	}
	return profile, file, faults
}

// of gives what declare may know; the file was read without faults.
func (p profileFile) profile(order []string, on bool) (declare.Profile, error) {
	validFrom, err := time.Parse(time.DateOnly, p.ValidFrom)
	if err != nil {
		return declare.Profile{}, err
	}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return declare.Profile{}, err
	}
	kinds := make([]string, 0, len(p.Takes))
	for kind := range p.Takes {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return declare.Profile{
		Name: p.Name, Title: p.Title, Version: p.Version, ValidFrom: validFrom, Kinds: kinds, Zone: zone, On: on,
		Deadline: p.Deadline, InFlight: p.InFlight, Probe: p.Breaker.Probe,
		Idempotent: p.Idempotent, Inquirable: p.Inquire != nil, Order: order,
	}, nil
}
