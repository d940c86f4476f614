package adapters

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// A Report is what a folder is worth. Faults make it worthless; all else is
// told so that its author can judge.
type Report struct {
	Agency string `json:"agency"`

	// Checked is false when parts of the schemas are Missing, see
	// [Agency.Missing]: then nothing beyond agency.yaml was judged.
	Checked bool     `json:"checked"`
	Missing []string `json:"missing,omitempty"`

	Faults Faults `json:"faults"`

	Rules     int `json:"rules"`
	Covered   int `json:"covered"` // rules written by a sample
	Lists     int `json:"lists"`
	Samples   int `json:"samples"`
	ReadBack  int `json:"readBack"` // samples whose message reads back into the same declaration
	Words     int `json:"words"`
	Shown     int `json:"shown"` // words that an answer shows
	Answers   int `json:"answers"`
	Mutations int `json:"mutations"`
	Templates int `json:"templates"`

	Irreversible []Fault `json:"irreversible"` // rules that cannot be read back, and why
	Uncovered    []Fault `json:"uncovered"`    // rules that no sample writes
	Unread       []Fault `json:"unread"`       // samples that do not read back, and the rules that prevent it
	Unshown      []Fault `json:"unshown"`      // words that no answer shows
	Unused       []Fault `json:"unused"`       // code lists that no rule uses
	Unknown      []Fault `json:"unknown"`      // kinds that are not known here
	Unjudged     []Fault `json:"unjudged"`     // codes and constants of a type whose values cannot be told beforehand
}

// OK reports whether the folder was checked and nothing is wrong.
func (r Report) OK() bool { return r.Checked && len(r.Faults) == 0 }

// Check loads the folder name of fsys, holds its mappings and code lists to
// its schemas, and runs its samples.
func Check(fsys fs.FS, name string) Report { return check(fsys, name, nil) }

// Update checks the folder name in a directory and rewrites what its samples
// are expected to give, wherever what they do give is valid. schemas completes
// the folder as in [Supply], nil for none.
func Update(directory, name string, schemas fs.FS) Report {
	fsys := os.DirFS(directory)
	if schemas != nil {
		fsys = Supply(fsys, schemas)
	}
	return check(fsys, name, func(file string, content []byte) error {
		return os.WriteFile(filepath.Join(directory, name, filepath.FromSlash(file)), content, 0o644)
	})
}

// loadKinds reads the kinds built in, once: the samples of every folder are
// held to them.
var loadKinds = sync.OnceValues(declare.LoadKinds)

// A checker gathers the report of one folder. write is nil when expectations
// are to be kept.
type checker struct {
	agency *Agency
	folder fs.FS
	kinds  map[string]*declare.Kind
	write  func(file string, content []byte) error
	report Report
	hit    map[*mapping.Rule]bool // by a sample
	used   map[string]bool        // code lists
	shown  map[string]bool        // words
	claims []claim
}

func check(fsys fs.FS, name string, write func(string, []byte) error) Report {
	c := &checker{
		write: write, hit: map[*mapping.Rule]bool{}, used: map[string]bool{}, shown: map[string]bool{},
		report: Report{
			Agency: name, Checked: true, Faults: Faults{},
			Irreversible: []Fault{}, Uncovered: []Fault{}, Unread: []Fault{}, Unshown: []Fault{}, Unused: []Fault{}, Unknown: []Fault{}, Unjudged: []Fault{},
		},
	}
	var err error
	if c.kinds, err = loadKinds(); err != nil {
		c.report.Faults = faultsOf(name, err)
		return c.report
	}
	if c.folder, err = fs.Sub(fsys, name); err != nil {
		c.report.Faults = faultsOf(name, err)
		return c.report
	}
	c.run(fsys)
	c.sort()
	return c.report
}

func (c *checker) run(fsys fs.FS) {
	if c.report.Faults = unfitFiles(fsys, c.report.Agency); len(c.report.Faults) > 0 {
		return
	}
	c.report.Faults = Faults{}
	open := unfilledIn(c.folder, c.report.Agency)
	var err error
	if c.agency, err = Load(fsys, c.report.Agency, Deployment{}); err != nil {
		c.report.Faults = append(open, c.notFollowing(open, faultsOf(c.report.Agency, err))...)
		return
	}
	defer c.agency.Close()
	if c.report.Missing = c.agency.Missing(); len(c.report.Missing) > 0 {
		c.report.Checked = false
		return
	}
	if sources, err := fs.Glob(c.folder, "schema/SOURCE*"); err != nil || len(sources) == 0 {
		c.fault(Fault{File: c.named("schema/SOURCE"), Text: "the file is missing: it says where the schemas are from"})
	}
	c.checkKinds()
	for _, kind := range c.agency.profile.Kinds {
		c.checkMapping(c.agency.file.Takes[kind].Mapping, c.agency.takes[kind])
	}
	c.checkReads()
	c.checkLists()
	c.judgeClaims()
	c.report.Faults = append(open, c.notFollowing(open, c.report.Faults)...)
	if len(open) > 0 {
		return // what is half written has no samples yet
	}
	c.checkBelonging()
	c.runSamples()
	c.runAnswers()
	c.runTemplates()
	c.runMutations()
	for _, kind := range c.agency.profile.Kinds {
		c.tellRules(c.agency.file.Takes[kind].Mapping, c.agency.takes[kind].mapping)
	}
	c.tellWords()
}

// checkKinds tells the kinds that nobody can file here. That is no fault of the
// folder, and its samples are then held to the agency alone.
func (c *checker) checkKinds() {
	for _, kind := range c.agency.profile.Kinds {
		if c.kinds[kind] == nil {
			profile := &yamlFile{name: c.named("agency.yaml")}
			if file, err := readYAML(c.folder, c.report.Agency, "agency.yaml", &profileFile{}); err == nil {
				profile = file
			}
			c.report.Unknown = append(c.report.Unknown, profile.at("no gateway of this version knows the kind "+kind, "takes", kind))
		}
	}
}

func (c *checker) fault(fault Fault) { c.report.Faults = append(c.report.Faults, fault) }

// faults takes an error as what it tells, or at file.
func (c *checker) faults(file string, err error) {
	if err != nil {
		c.report.Faults = append(c.report.Faults, faultsOf(c.named(file), err)...)
	}
}

// named is a file's name as faults tell it.
func (c *checker) named(file string) string { return path.Join(c.report.Agency, file) }

// sort puts faults in the order of the files and lines, and tells each once.
func (c *checker) sort() {
	slices.SortStableFunc(c.report.Faults, Fault.compare)
	c.report.Faults = append(Faults{}, slices.Compact(c.report.Faults)...) // never null in JSON
}

// tellRules tells what cannot be read back and what no sample writes.
func (c *checker) tellRules(file string, rules *mapping.Mapping) {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		c.faults(file, err)
		return
	}
	for _, rule := range rules.Rules() {
		if reversible, why := rule.Reversible(); !reversible {
			c.report.Irreversible = append(c.report.Irreversible, faultIn(c.named(file), content, rule.Line, rule.Column, rule.Path+": "+why))
		}
		if c.hit[rule] {
			c.report.Covered++
		} else {
			c.report.Uncovered = append(c.report.Uncovered, faultIn(c.named(file), content, rule.Line, rule.Column, rule.Path))
		}
	}
}

// tellWords tells which words of the notices no answer shows.
func (c *checker) tellWords() {
	book := c.agency.notices
	for word := range book.file.Words {
		c.report.Words++
		if c.shown[word] {
			c.report.Shown++
			continue
		}
		c.report.Unshown = append(c.report.Unshown, book.source.at(word, "words", word))
	}
	slices.SortFunc(c.report.Unshown, Fault.compare)
}
