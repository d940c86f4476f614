package declare

import (
	"regexp"
	"slices"
)

// facets is facets.yaml of a kind: where a declaration says which port its
// goods pass and which HS chapters they are of. Pointers as in keys.yaml.
type facets struct {
	Port     []located `yaml:"port"` // the first that is there counts
	Chapters struct {
		Each located  `yaml:"each"` // leads to objects
		ID   string   `yaml:"id"`   // their field with the tariff code
		Type string   `yaml:"type"` // their field that says what the code is
		Is   []string `yaml:"is"`   // the types that begin with an HS chapter
	} `yaml:"chapters"`

	port     []pattern
	chapters pattern
}

var chapter = regexp.MustCompile(`^[0-9]{2}`)

func compileFacets(file string, src []byte) (facets, error) {
	var f facets
	if err := readYAML(file, src, &f); err != nil {
		return f, err
	}
	for _, at := range f.Port {
		compiled, err := compilePattern(at.text)
		if err != nil {
			return f, inFile(file, at.fault(err.Error()))
		}
		f.port = append(f.port, compiled)
	}
	var err error
	if f.chapters, err = compilePattern(f.Chapters.Each.text); err != nil {
		return f, inFile(file, f.Chapters.Each.fault(err.Error()))
	}
	return f, nil
}

// portOf names the port that the goods pass, "" where the declaration names
// none that a scope could be of.
func (f *facets) portOf(tree map[string]any) string {
	for _, at := range f.port {
		for _, found := range at.find(tree) {
			if name, isText := found.value.(string); isText && portName.MatchString(name) {
				return name
			}
		}
	}
	return ""
}

// chaptersOf gives the HS chapters of the goods, each once, sorted.
func (f *facets) chaptersOf(tree map[string]any) []string {
	var chapters []string
	for _, found := range f.chapters.find(tree) {
		object, _ := found.value.(map[string]any)   // anything else has no fields
		kind, _ := object[f.Chapters.Type].(string) // "" is no type
		code, _ := object[f.Chapters.ID].(string)   // "" has no chapter
		if two := chapter.FindString(code); two != "" && slices.Contains(f.Chapters.Is, kind) {
			chapters = append(chapters, two)
		}
	}
	slices.Sort(chapters)
	return slices.Compact(chapters)
}
