package adapters

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a folder may hold. The readers of YAML, JSON and XML recurse, so that
// size and depth are looked at before any of them sees a file.
const (
	mostFiles       = 5000
	mostFileBytes   = 8 << 20
	mostYAMLBytes   = 1 << 20
	mostYAMLNesting = 100
)

// unfitFiles tells what no reader of a folder should touch: links, which may
// lead out of it, files too large or not text, and YAML nested without end.
func unfitFiles(fsys fs.FS, agency string) Faults {
	var faults Faults
	count := 0
	err := fs.WalkDir(fsys, agency, func(file string, entry fs.DirEntry, err error) error {
		hidden := err == nil && strings.HasPrefix(entry.Name(), ".")
		switch {
		case err != nil:
			return Fault{File: file, Text: "the file cannot be read"}
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			faults = append(faults, Fault{File: file, Text: "a folder holds plain files, no links and nothing else"})
			return nil
		}
		if count++; count > mostFiles {
			faults = append(faults, Fault{File: agency, Text: fmt.Sprintf("the folder holds more than %d files", mostFiles)})
			return fs.SkipAll
		}
		faults = append(faults, unfit(fsys, file, entry)...)
		return nil
	})
	if err != nil {
		faults = append(faults, faultsOf(agency, err)...)
	}
	return faults
}

func unfit(fsys fs.FS, file string, entry fs.DirEntry) Faults {
	most := int64(mostFileBytes)
	isYAML := path.Ext(file) == ".yaml"
	if isYAML {
		most = mostYAMLBytes
	}
	info, err := entry.Info()
	if err != nil {
		return Faults{{File: file, Text: "the file cannot be read"}}
	}
	if info.Size() > most {
		return Faults{{File: file, Text: fmt.Sprintf("the file is larger than %d MB", most>>20)}}
	}
	content, err := fs.ReadFile(fsys, file)
	if err != nil {
		return Faults{{File: file, Text: "the file cannot be read"}}
	}
	// A schema declares its own encoding.
	if at := unreadableByte(content); at >= 0 && path.Ext(file) != ".xsd" {
		line, column := placeOf(content, at)
		return Faults{{File: file, Line: line, Column: column, Text: "not a character of UTF-8 text"}}
	}
	if !isYAML {
		return nil
	}
	if at := tooDeep(content); at >= 0 {
		line, column := placeOf(content, at)
		return Faults{{File: file, Line: line, Column: column, Text: fmt.Sprintf("nested deeper than %d", mostYAMLNesting)}}
	}
	return nil
}

// unreadableByte is the first byte that is no text, -1 if there is none.
func unreadableByte(content []byte) int {
	for at := 0; at < len(content); {
		char, size := utf8.DecodeRune(content[at:])
		if char == utf8.RuneError && size <= 1 || char == 0 {
			return at
		}
		at += size
	}
	return -1
}

// tooDeep finds where brackets, or dashes on one line, nest deeper than a file
// of a folder ever needs; -1 if nowhere. What stands in quotes counts as well.
func tooDeep(content []byte) int {
	brackets, dashes, leading := 0, 0, true
	for at, char := range content {
		switch char {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(brackets-1, 0)
		case '\n':
			dashes, leading = 0, true
		case '-', '?':
			if leading {
				dashes++
			}
		case ' ', '\t':
		default:
			leading = false
		}
		if brackets > mostYAMLNesting || leading && dashes > mostYAMLNesting {
			return at
		}
	}
	return -1
}

// placeOf is the 1-based line and column of a byte; columns count characters.
func placeOf(content []byte, offset int) (line, column int) {
	offset = min(max(offset, 0), len(content))
	before := content[:offset]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[begin:])
}

// toFill marks in a new folder what only its author can know.
const toFill = "FILL-IN"

// unfilledIn tells every mark that is left, and every code of the agency's
// that has none of ours beside it yet.
func unfilledIn(folder fs.FS, agency string) Faults {
	var faults Faults
	err := fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) == ".xsd" || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		content, err := fs.ReadFile(folder, file)
		isList := path.Dir(file) == "codes"
		number := 0
		for line := range bytes.Lines(content) {
			number++
			column := bytes.Index(line, []byte(toFill))
			if column < 0 && isList && number > 2 && line[0] == ',' {
				column = 0
			}
			if column >= 0 {
				faults = append(faults, faultIn(path.Join(agency, file), content, number, 1+utf8.RuneCount(line[:column]), "to be filled in"))
			}
		}
		return err
	})
	if err != nil {
		faults = append(faults, faultsOf(agency, err)...)
	}
	return faults
}

// notFollowing drops the faults that only follow from what is to be filled in:
// those of the same line, and at the name of a code list that is not complete.
func (c *checker) notFollowing(open, faults Faults) Faults {
	if len(open) == 0 {
		return faults
	}
	lists := map[string]bool{}
	for _, fault := range open {
		if directory, file := path.Split(fault.File); path.Base(directory) == "codes" {
			lists[strings.TrimSuffix(file, ".csv")] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(faults), func(fault Fault) bool {
		sameLine := func(mark Fault) bool { return mark.File == fault.File && mark.Line == fault.Line }
		return slices.ContainsFunc(open, sameLine) || c.namesList(fault, lists)
	})
}

// namesList reports whether a fault stands at the name of one of these lists.
func (c *checker) namesList(fault Fault, lists map[string]bool) bool {
	file, inFolder := strings.CutPrefix(fault.File, c.report.Agency+"/")
	if !inFolder || path.Ext(file) != ".yaml" || strings.Contains(file, "/") {
		return false
	}
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		return false
	}
	for _, rule := range ruleTexts(content) {
		name, ok := scalarText(rule.keys["code"])
		if at := placeOfNode(rule.keys["code"]); ok && lists[name] && at == (place{fault.Line, fault.Column}) {
			return true
		}
	}
	return false
}

// checkBelonging tells files that nothing in the folder uses: what looks
// proven is not.
func (c *checker) checkBelonging() {
	err := fs.WalkDir(c.folder, ".", func(file string, entry fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(path.Base(file), ".") && file != "." || strings.HasSuffix(file, "~")
		switch {
		case err != nil:
			return err
		case entry.IsDir() && hidden:
			return fs.SkipDir
		case entry.IsDir() || hidden || path.Ext(file) == ".md" || strings.HasPrefix(file, "schema/") || c.belongs(file):
			return nil
		}
		c.fault(Fault{File: c.named(file), Text: "nothing in the folder uses this file"})
		return nil
	})
	c.faults("", err)
}

func (c *checker) belongs(file string) bool {
	beside := func(extension string) bool {
		_, err := fs.Stat(c.folder, strings.TrimSuffix(file, path.Ext(file))+extension)
		return err == nil
	}
	switch path.Dir(file) + "/*" + path.Ext(file) {
	case "./*.yaml":
		if slices.Contains([]string{"agency.yaml", "rules.yaml", "notice.yaml", "simulate.yaml"}, file) {
			return true
		}
		for _, entry := range c.agency.file.Takes {
			if entry.Mapping == file {
				return true
			}
		}
	case "codes/*.csv", "samples/*.json", "samples/answers/*.xml":
		return true
	case "samples/*.yaml":
		return file == "samples/mutations.yaml"
	case "samples/*.xml":
		return beside(".json")
	case "samples/answers/*.json":
		return beside(".xml")
	case "answers/*.xml":
		return c.agency.script != nil && c.agency.script.templates[file] != nil
	}
	return false
}
