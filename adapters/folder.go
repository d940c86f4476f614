package adapters

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"singlewindow/declare"
	"singlewindow/mapping"
	"singlewindow/xsd"
)

// A Deployment says where an agency is. The zero value turns it off.
type Deployment struct {
	URL   string // base address, http or https; "" is off
	Token string // our credential there, sent as a bearer token; "" sends none
}

// Deployments holds the configured agencies by name.
type Deployments map[string]Deployment

// An Agency is a compiled folder with its own HTTP client and breaker. It
// implements [declare.Agency] and is safe for concurrent use.
type Agency struct {
	profile declare.Profile
	file    profileFile
	takes   map[string]take
	rules   *declare.Rules // nil when the folder has none
	notices *noticeBook
	script  *Script // nil when the folder has none
	schemas map[string]*xsd.Schema
	lists   map[string]*mapping.List
	missing []string // parts of its schemas that nobody supplied
	archive []byte   // the folder it was made from, packed
	digest  string

	url     string
	line    *line
	breaker atomic.Pointer[breaker]
}

var _ declare.Agency = (*Agency)(nil)

// take is one kind the agency takes, compiled.
type take struct {
	when    *declare.Condition
	mapping *mapping.Mapping
	schema  *xsd.Schema
}

// LoadAll loads every folder of fsys, several at a time. The error joins the
// [Faults] of all that failed.
func LoadAll(fsys fs.FS, deployments Deployments) ([]*Agency, error) {
	names, err := Names(fsys)
	if err != nil {
		return nil, err
	}
	agencies, failures := make([]*Agency, len(names)), make([]error, len(names))
	var loading sync.WaitGroup
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		loading.Go(func() {
			places <- struct{}{}
			agencies[i], failures[i] = Load(fsys, name, deployments[agencyOf(name)])
			<-places
		})
	}
	loading.Wait()
	var faults Faults
	for i, name := range names {
		if failures[i] != nil {
			faults = append(faults, faultsOf(name, failures[i])...)
		} else if at := slices.IndexFunc(agencies[:i], agencies[i].rivals); at >= 0 {
			faults = append(faults, rivalry(name, names[at]))
		}
	}
	if len(faults) > 0 {
		for _, agency := range agencies {
			if agency != nil {
				agency.Close()
			}
		}
		return nil, faults
	}
	return agencies, nil
}

// rivals tells whether two versions of one agency apply from the same day, so
// that nobody could say which counts.
func (a *Agency) rivals(other *Agency) bool {
	return other != nil && a.profile.Name == other.profile.Name && a.profile.ValidFrom.Equal(other.profile.ValidFrom)
}

func rivalry(folder, other string) Fault {
	return Fault{File: path.Join(folder, "agency.yaml"), Text: "validFrom is that of " + other + ": which of the two versions counts?"}
}

// Load compiles the folder name of fsys. The error is a [Faults] naming
// everything wrong with the folder, or tells a bad deployment.
func Load(fsys fs.FS, name string, deployment Deployment) (*Agency, error) {
	if deployment.URL != "" {
		base, err := url.Parse(deployment.URL)
		if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
			return nil, fmt.Errorf("agency %s: url must be an http or https address", name)
		}
	}
	if !isDirectory(fsys, name) {
		return nil, Faults{{File: name, Text: "there is no such folder"}}
	}
	if faults := unfitFiles(fsys, name); len(faults) > 0 {
		return nil, faults
	}
	archive, err := pack(fsys, name)
	if err != nil {
		return nil, faultsOf(name, err)
	}
	packed, err := unpack(archive)
	if err != nil {
		return nil, err
	}
	if from, ok := fsys.(supplied); ok {
		packed = Supply(packed, from.schemas)
	}
	return loadPacked(archive, packed, name, deployment)
}

// loadPacked compiles the folder name of fsys, which archive holds packed.
func loadPacked(archive []byte, fsys fs.FS, name string, deployment Deployment) (*Agency, error) {
	folder, err := fs.Sub(fsys, name)
	if err != nil {
		return nil, err
	}
	a := &Agency{archive: archive, schemas: map[string]*xsd.Schema{}, lists: map[string]*mapping.List{}, takes: map[string]take{}}
	faults := a.compile(fsys, folder, name)
	if len(faults) > 0 {
		a.Close()
		return nil, faults
	}
	a.profile, err = a.file.profile(a.notices.file.Order, deployment.URL != "" && len(a.missing) == 0)
	if err != nil {
		return nil, err
	}
	a.profile.Missing, a.profile.Digest = a.missing, a.digest
	a.profile.Headers = a.notices.file.Headers
	a.profile.Rules = a.ruleTexts()
	a.url = strings.TrimRight(deployment.URL, "/")
	a.line = newLine(deployment.Token, a.profile.InFlight)
	a.breaker.Store(newBreaker(a.profile, a.file.Breaker, false))
	return a, nil
}

// compile goes on after a fault wherever the rest can still be judged. Without
// its schemas a folder is not judged at all: see [Agency.Missing].
func (a *Agency) compile(fsys, folder fs.FS, name string) Faults {
	var profile *yamlFile
	var faults Faults
	a.file, profile, faults = readProfile(folder, name)
	if len(faults) > 0 {
		return faults
	}
	others, missing := suppliedParts(fsys, folder, agencyOf(name), a.file.Schemas)
	var err error
	if a.digest, err = digest(folder, others); err != nil {
		return append(faults, faultsOf(name, err)...)
	}
	if a.missing = missing; len(missing) > 0 {
		a.notices = &noticeBook{}
		return nil
	}
	faults = append(faults, a.readLists(folder, name)...)
	faults = append(faults, a.readRules(folder, name)...)
	schemas, err := unpackSchemas(folder, others)
	if err != nil {
		return append(faults, Fault{File: path.Join(name, "schema"), Text: err.Error()})
	}
	faults = append(faults, a.compileWith(folder, profile, schemas)...)
	if err := os.RemoveAll(schemas.directory); err != nil {
		faults = append(faults, faultsOf(name, err)...)
	}
	return faults
}

// compileWith compiles what needs the schemas on disk.
func (a *Agency) compileWith(folder fs.FS, profile *yamlFile, schemas *schemaFiles) Faults {
	var faults Faults
	for kind, entry := range a.file.Takes {
		faults = append(faults, a.readTake(folder, profile, schemas, kind, entry)...)
	}
	notices, noticeFaults := a.readNoticeBook(folder, a.file.Name, schemas)
	a.notices = notices
	faults = append(faults, noticeFaults...)
	script, scriptFaults := readScript(folder, a.file.Name, a.file.TimeZone)
	a.script = script
	return append(faults, scriptFaults...)
}

func (a *Agency) readLists(folder fs.FS, name string) Faults {
	var faults Faults
	files, err := fs.Glob(folder, "codes/*.csv")
	if err != nil {
		return faultsOf(name, err)
	}
	for _, file := range files {
		content, err := fs.ReadFile(folder, file)
		if err != nil {
			faults = append(faults, faultsOf(path.Join(name, file), err)...)
			continue
		}
		listName := strings.TrimSuffix(path.Base(file), ".csv")
		list, err := mapping.ParseList(listName, content)
		if err != nil {
			faults = append(faults, mappingFaults(path.Join(name, file), content, err)...)
			continue
		}
		a.lists[listName] = list
	}
	return faults
}

func (a *Agency) readRules(folder fs.FS, name string) Faults {
	file := path.Join(name, "rules.yaml")
	content, err := fs.ReadFile(folder, "rules.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return faultsOf(file, err)
	}
	a.rules, err = declare.CompileRules(file, content)
	if err != nil {
		return declareFaults(file, content, err)
	}
	return nil
}

func (a *Agency) ruleTexts() []declare.RuleText {
	if a.rules == nil {
		return nil
	}
	all := a.rules.Texts()
	for i := range all {
		all[i].Agency = a.file.Name
	}
	return all
}

func (a *Agency) readTake(folder fs.FS, profile *yamlFile, schemas *schemaFiles, kind string, entry takeEntry) Faults {
	var faults Faults
	when, err := declare.CompileCondition(entry.When)
	if err != nil {
		text := err.Error()
		if within := new(declare.FileError); errors.As(err, &within) {
			text = within.Text // its line counts within the expression
		}
		faults = append(faults, profile.at(text, "takes", kind, "when"))
	}
	schema, err := a.schema(schemas, entry.Schema)
	if err != nil {
		faults = append(faults, schemas.fault(profile, err, "takes", kind, "schema"))
	}
	content, err := fs.ReadFile(folder, entry.Mapping)
	if err != nil {
		return append(faults, profile.at("the mapping file is missing", "takes", kind, "mapping"))
	}
	rules, err := mapping.Compile(path.Join(a.file.Name, entry.Mapping), content, a.lists)
	if err != nil {
		return append(faults, mappingFaults(path.Join(a.file.Name, entry.Mapping), content, err)...)
	}
	if rules.Kind() != kind {
		faults = append(faults, profile.at("the mapping is for another kind", "takes", kind, "mapping"))
	}
	if len(faults) > 0 {
		return faults
	}
	zone, err := time.LoadLocation(a.file.TimeZone)
	if err != nil {
		return append(faults, profile.at(err.Error(), "timeZone"))
	}
	rules.In(zone)
	requireAll(rules, schema.Model())
	collapseAll(rules, schema.Model())
	a.takes[kind] = take{when: when, mapping: rules, schema: schema}
	return nil
}

// requireAll tells the mapping which elements its schema demands, so that it
// reports each missing one itself: libxml2 names only the innocent next one.
func requireAll(rules *mapping.Mapping, model *xsd.Model) {
	for parent, element := range writtenElements(rules, model) {
		for _, child := range element.Required() {
			rules.Require(parent + "/" + child.Name)
		}
		for _, attribute := range element.Attributes {
			if attribute.Required {
				rules.Require(parent + "/@" + attribute.Name)
			}
		}
	}
}

// collapseAll tells the mapping where white space says nothing.
func collapseAll(rules *mapping.Mapping, model *xsd.Model) {
	for _, rule := range rules.Rules() {
		if facets, known := facetsAt(model, rule.Path); known && facets.WhiteSpace == "collapse" {
			rules.Collapse(rule.Path)
		}
	}
}

// writtenElements gives every element on the way to what the rules write, by
// its path of local names. Paths the schema does not know are left out.
func writtenElements(rules *mapping.Mapping, model *xsd.Model) map[string]*xsd.Element {
	written := map[string]*xsd.Element{}
	for _, rule := range rules.Rules() {
		steps := steps(rule.Path)
		for end := 1; end <= len(steps); end++ {
			if element := model.Find(steps[:end]...); element != nil {
				written["/"+strings.Join(steps[:end], "/")] = element
			}
		}
	}
	return written
}

// steps splits a path of local names, without the attribute at its end.
func steps(elementPath string) []string {
	names := strings.Split(strings.Trim(elementPath, "/"), "/")
	if last := len(names) - 1; strings.HasPrefix(names[last], "@") {
		names = names[:last]
	}
	return names
}

// schema compiles a driver schema once, however often the folder names it.
func (a *Agency) schema(files *schemaFiles, name string) (*xsd.Schema, error) {
	if compiled := a.schemas[name]; compiled != nil {
		return compiled, nil
	}
	if !fs.ValidPath(name) {
		return nil, errors.New("the schema must be a path inside the folder")
	}
	compiled, err := xsd.CompileIn(filepath.Join(files.directory, "schema"), filepath.Join(files.directory, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	a.schemas[name] = compiled
	return compiled, nil
}

// schemaFiles is a folder's schema directory on disk, where libxml2 finds it.
type schemaFiles struct{ directory string }

func unpackSchemas(folder fs.FS, others map[string]fs.FS) (*schemaFiles, error) {
	directory, err := os.MkdirTemp("", "schemas-")
	if err != nil {
		return nil, err
	}
	files := &schemaFiles{directory: directory}
	schemas, err := fs.Sub(folder, "schema")
	if err == nil {
		err = os.CopyFS(filepath.Join(directory, "schema"), schemas)
	}
	for part, files := range others {
		err = errors.Join(err, os.CopyFS(filepath.Join(directory, "schema", part), files))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot unpack the schemas: %w", errors.Join(err, os.RemoveAll(directory)))
	}
	return files, nil
}

// fault locates a schema that does not compile in the schema itself, or at
// the key that names it.
func (s *schemaFiles) fault(file *yamlFile, err error, keys ...any) Fault {
	var compile *xsd.CompileError
	if !errors.As(err, &compile) {
		return file.at(err.Error(), keys...)
	}
	text := strings.ReplaceAll(compile.Text, s.directory+string(filepath.Separator), "")
	inside, relErr := filepath.Rel(s.directory, compile.File)
	content, readErr := os.ReadFile(compile.File)
	if relErr != nil || readErr != nil || !filepath.IsLocal(inside) {
		return file.at(text, keys...)
	}
	return faultIn(path.Join(path.Dir(file.name), filepath.ToSlash(inside)), content, compile.Line, max(compile.Column, 1), text)
}

// UseSlots guards every later validation by the slots of this process, see
// [xsd.Slots].
func (a *Agency) UseSlots(slots *xsd.Slots) {
	for _, schema := range a.schemas {
		schema.UseSlots(slots)
	}
}

// Close frees the schemas and hangs up. Nothing may be under way.
func (a *Agency) Close() {
	for _, schema := range a.schemas {
		schema.Close()
	}
	if a.line != nil {
		a.line.close()
	}
}

// Missing names the parts of the agency's schemas that are neither in its
// folder nor supplied, see [Supply]. Such an agency is off: nothing of its
// folder beyond agency.yaml was judged.
func (a *Agency) Missing() []string { return a.missing }

// Profile implements [declare.Agency].
func (a *Agency) Profile() declare.Profile { return a.profile }

// Script is how a simulator plays the agency, nil when its folder has none.
func (a *Agency) Script() *Script { return a.script }
