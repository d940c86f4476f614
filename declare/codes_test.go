package declare

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCodeListsAreRead(t *testing.T) {
	lists, err := CodeLists()
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range lists {
		if list.Name != name || list.Source == "" || len(list.Entries) == 0 {
			t.Errorf("%s: %q from %q with %d entries", name, list.Name, list.Source, len(list.Entries))
		}
		for _, entry := range list.Entries {
			if entry.Title.Chinese == "" {
				t.Errorf("%s: %s has no Chinese title", name, entry.Code)
			}
			if strings.TrimSpace(entry.Code) != entry.Code {
				t.Errorf("%s: %q has space around it", name, entry.Code)
			}
		}
	}
	if country := lists["country"]; !country.Complete || !country.Has("CN") || country.Has("QQ") {
		t.Error("the list of countries is not the one of ISO 3166")
	}
}

func TestParseCodeList(t *testing.T) {
	list, err := parseCodeList("codes/term.csv", []byte(`# source: a; b; excerpt
code,en,zh,validFrom,validTo
X,"ex, works",工厂交货,,2019-12-31
X,ex works,工厂交货,2021-01-01,
Y,why,为何,2020-01-01,2020-12-31
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Code{
		{"X", Text{"ex, works", "工厂交货"}, "", "2019-12-31"},
		{"X", Text{"ex works", "工厂交货"}, "2021-01-01", ""},
		{"Y", Text{"why", "为何"}, "2020-01-01", "2020-12-31"},
	}
	if list.Name != "term" || list.Source != "a; b" || list.Complete || !reflect.DeepEqual(list.Entries, want) {
		t.Errorf("%+v", list)
	}
	for _, check := range []struct{ value, day, want string }{
		{"X", "2019-12-31", ""}, {"X", "2020-06-01", "code.expired"}, {"X", "2021-01-01", ""},
		{"Y", "2019-12-31", "code.expired"}, {"Y", "2020-01-01", ""}, {"Y", "2020-12-31", ""}, {"Y", "2021-01-01", "code.expired"},
		{"Z", "2020-01-01", "code.unknown"}, {"", "2020-01-01", "code.unknown"},
	} {
		fault, valid := list.check(check.value, check.day)
		if fault.Code != check.want || valid != (check.want == "") || fault.Advice != (check.want == "code.unknown") {
			t.Errorf("%q on %s: %+v", check.value, check.day, fault)
		}
	}
	list.Complete = true
	if fault, _ := list.check("Z", "2020-01-01"); fault.Advice {
		t.Error("a code missing from a complete list refuses nothing")
	}
}

func TestCodeListFaults(t *testing.T) {
	const head = "# source: a; complete\ncode,en,zh,validFrom,validTo\n"
	for src, want := range map[string]string{
		"":                                              "x.csv:1: the first line must be",
		"# source: a; all\n":                            "x.csv:1: the first line must end with",
		"# source: a complete\n":                        "x.csv:1: the first line must be",
		"# source: a; complete\ncode,en\n":              "x.csv:2",
		"# source: a; complete\na,b,c,d,e\n":            "x.csv:2: the header",
		head + "A,a,啊,,\nB,b\n":                         "x.csv:4",
		head + "A,\"a,啊,,\n":                            "x.csv:",
		head + ",a,啊,,\n":                               "x.csv:3: an entry needs",
		head + "A,,啊,,\n":                               "x.csv:3: an entry needs",
		head + "A,a,啊,2020,\n":                          "x.csv:3: a day of validity",
		head + "A,a,啊,,2020-02-30\n":                    "x.csv:3: a day of validity",
		head + "A,a,啊,2021-01-01,2020-01-01\n":          "x.csv:3: the entry ends before",
		head + "A,a,啊,,\nB,b,波,,\nA,a,啊,,\n":            "x.csv:5: the code stands twice",
		head + "A,a,啊,,2020-01-01\nA,a,啊,2020-01-01,\n": "x.csv:4: the code stands twice",
	} {
		_, err := parseCodeList("x.csv", []byte(src))
		var fault *FileError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, expected %s", src, err, want)
		}
	}
}
