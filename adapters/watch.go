package adapters

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"singlewindow/declare"
)

// Folders are the agency folders of a gateway that keeps up with what is on
// disk: call [Folders.Look] now and then, from one goroutine.
type Folders struct {
	fsys    fs.FS
	schemas fs.FS // supplies what folders lack; nil supplies nothing
	known   map[string]*known
}

// known is a folder as it was met last.
type known struct {
	agency      *Agency // the last good version; nil when there never was one
	tried, seen string  // fingerprints: of the last attempt to load, of the last look
	gone        bool
	refused     *declare.RefusedFolder
}

// A Change is what a look found and did about one folder.
type Change struct {
	Folder string
	Agency *Agency // the version that counts from now on; nil when there is no new one
	Faults Faults  // why there is none
	Gone   bool    // the folder is not there any more; its agency stays
}

// OpenFolders loads every folder of fsys, like [LoadAll]; schemas, when not
// nil, supplies what they lack, see [Supply].
func OpenFolders(fsys, schemas fs.FS, deployments Deployments) (*Folders, error) {
	if schemas != nil {
		fsys = Supply(fsys, schemas)
	}
	f := &Folders{fsys: fsys, schemas: schemas, known: map[string]*known{}}
	names, err := Names(fsys)
	if err != nil {
		return nil, err
	}
	// Before loading: what changes meanwhile is met by the first look.
	shared := fingerprint(schemas, ".")
	for _, name := range names {
		now := f.fingerprint(name, shared, deployments)
		f.known[name] = &known{tried: now, seen: now}
	}
	agencies, err := LoadAll(fsys, deployments)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		f.known[name].agency = agencies[i]
	}
	return f, nil
}

// Agencies gives every version that counts, or will from its day on.
func (f *Folders) Agencies() []*Agency {
	var agencies []*Agency
	for _, name := range slices.Sorted(maps.Keys(f.known)) {
		if agency := f.known[name].agency; agency != nil {
			agencies = append(agencies, agency)
		}
	}
	return agencies
}

// Refused tells, by agency, which folders are not in use as they stand on disk.
func (f *Folders) Refused() map[string]declare.RefusedFolder {
	all := map[string]declare.RefusedFolder{}
	for _, name := range slices.Sorted(maps.Keys(f.known)) {
		if refused := f.known[name].refused; refused != nil {
			told := all[agencyOf(name)]
			if refused.At.After(told.At) {
				told.At = refused.At
			}
			told.Faults = append(told.Faults, refused.Faults...)
			all[agencyOf(name)] = told
		}
	}
	return all
}

// Look compares the folders, the schemas beside them and the deployments with
// what was loaded. A folder that changed and has come to rest, which two looks
// in a row must find, is loaded and checked; it counts when nothing is wrong.
func (f *Folders) Look(deployments Deployments, now time.Time) ([]Change, error) {
	names, err := Names(f.fsys)
	if err != nil {
		return nil, err
	}
	var changes []Change
	shared := fingerprint(f.schemas, ".")
	for _, name := range names {
		k := f.known[name]
		if k == nil {
			k = &known{}
			f.known[name] = k
		}
		k.gone = false
		seen, before := f.fingerprint(name, shared, deployments), k.seen
		k.seen = seen
		if seen == k.tried || seen != before {
			continue // as it was, or still being written
		}
		k.tried = seen
		if change := f.renew(name, deployments[agencyOf(name)], now); change != nil {
			changes = append(changes, *change)
		}
	}
	return append(changes, f.missed(names)...), nil
}

// missed finds the folders that are not there any more. One that never became
// an agency is forgotten.
func (f *Folders) missed(names []string) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(f.known)) {
		k := f.known[name]
		if k.gone || slices.Contains(names, name) {
			continue
		}
		k.gone, k.refused = true, nil
		if k.agency == nil {
			delete(f.known, name)
		}
		changes = append(changes, Change{Folder: name, Gone: true})
	}
	return changes
}

// renew loads a folder anew; nil when that changes nothing.
func (f *Folders) renew(name string, deployment Deployment, now time.Time) *Change {
	k := f.known[name]
	agency, faults := f.load(name, deployment)
	if len(faults) > 0 {
		k.refused = &declare.RefusedFolder{At: now.UTC().Truncate(time.Millisecond)}
		for _, fault := range faults {
			k.refused.Faults = append(k.refused.Faults, declare.FileError{File: fault.File, Line: fault.Line, Column: fault.Column, Text: fault.Text})
		}
		return &Change{Folder: name, Faults: faults}
	}
	mended := k.refused != nil
	k.refused = nil
	if k.agency != nil && k.agency.same(agency) {
		agency.Close()
		if !mended {
			return nil
		}
		return &Change{Folder: name, Agency: k.agency}
	}
	k.agency = agency // the one before is freed when nobody uses it any more
	return &Change{Folder: name, Agency: agency}
}

// load makes an agency of a folder that has no fault at all.
func (f *Folders) load(name string, deployment Deployment) (*Agency, Faults) {
	agency, err := Load(f.fsys, name, deployment)
	if err != nil {
		return nil, faultsOf(name, err)
	}
	faults := f.judge(name, agency)
	if len(faults) > 0 {
		agency.Close()
	}
	return agency, faults
}

// judge runs [Check] on exactly what was loaded, unless that is what is in use
// already, and holds it to the versions beside it.
func (f *Folders) judge(name string, agency *Agency) Faults {
	before := f.known[name].agency
	for other, k := range f.known {
		if other != name && agency.rivals(k.agency) {
			return Faults{rivalry(name, other)}
		}
	}
	switch {
	case len(agency.missing) > 0 && before != nil && len(before.missing) == 0:
		return Faults{{File: name + "/schema", Text: "not supplied any more: " + strings.Join(agency.missing, ", ")}}
	case len(agency.missing) > 0, before != nil && before.digest == agency.digest:
		return nil
	}
	packed, err := unpack(agency.archive)
	if err != nil {
		return faultsOf(name, err)
	}
	if f.schemas != nil {
		packed = Supply(packed, f.schemas)
	}
	return Check(packed, name).Faults
}

// same tells whether another agency is made of the same files and is at the
// same place.
func (a *Agency) same(other *Agency) bool {
	return a.digest == other.digest && a.url == other.url && a.line.token == other.line.token
}

func (f *Folders) fingerprint(name, shared string, deployments Deployments) string {
	deployment := deployments[agencyOf(name)]
	return fingerprint(f.fsys, name) + shared + fingerprintOf(deployment.URL, deployment.Token)
}

// fingerprint changes whenever a file below root is written, without reading
// any: it is made of names, sizes and times. What cannot be read now is read
// at the next look.
func fingerprint(fsys fs.FS, root string) string {
	if fsys == nil {
		return ""
	}
	var files []string
	err := fs.WalkDir(fsys, root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			info, err = fs.Stat(fsys, file)
		}
		if err == nil {
			files = append(files, fmt.Sprint(file, " ", info.Size(), info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		files = append(files, err.Error())
	}
	return fingerprintOf(files...)
}

func fingerprintOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
