package declare

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func compiled(t testing.TB, src string) *Rules {
	t.Helper()
	rules, err := CompileRules("rules.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestRulesPointAtEveryFailingEntry(t *testing.T) {
	tree := parsed(t, []byte(`{
		"name": "x", "a~b": [{"v": "1"}],
		"items": [
			{"n": 1, "parts": [{"mass": "1"}, {"mass": "3"}], "box": {"size": 9}},
			{"n": 5, "parts": []},
			{"n": 3, "parts": [{"mass": "2"}, {}, {"mass": "7"}], "box": {"size": 1}}
		]}`))
	const text = "\n  en: It is wrong.\n  zh: 有误。\n"
	for name, check := range map[string]struct {
		rule string
		want []expectation
	}{
		"once":                {"that: declaration.name == 'y'\n  at: /name", []expectation{{"r.x", "/name", false}}},
		"once and holds":      {"that: declaration.name == 'x'\n  at: /name", []expectation{}},
		"advice":              {"that: declaration.name == 'false'\n  at: /name\n  advice: true", []expectation{{"r.x", "/name", true}}},
		"entries":             {"each: /items\n  that: item.n == index + 1\n  at: n", []expectation{{"r.x", "/items/1/n", false}}},
		"entry itself":        {"each: /items\n  that: item.n < 5", []expectation{{"r.x", "/items/1", false}}},
		"absolute":            {"each: /items\n  that: item.n < 5\n  at: /name", []expectation{{"r.x", "/name", false}}},
		"nested":              {"each: /items/*/parts\n  when: has(item.mass)\n  that: lte(item.mass, '2')\n  at: mass", []expectation{{"r.x", "/items/0/parts/1/mass", false}, {"r.x", "/items/2/parts/2/mass", false}}},
		"index when nested":   {"each: /items/*/parts\n  that: index < 2", []expectation{{"r.x", "/items/2/parts/2", false}}},
		"object in entries":   {"each: /items/*/box\n  that: item.size > 5 && index == 0\n  at: size", []expectation{{"r.x", "/items/2/box/size", false}}},
		"several pointers":    {"each: [/nothing, /items/*/box, /name]\n  that: type(item) == string\n  at: s", []expectation{{"r.x", "/items/0/box/s", false}, {"r.x", "/items/2/box/s", false}}},
		"escaped pointer":     {"each: /a~0b\n  that: item.v == '2'\n  at: v", []expectation{{"r.x", "/a~0b/0/v", false}}},
		"nothing there":       {"each: /nothing/*/at/all\n  that: 1 == 2", []expectation{}},
		"when it is not so":   {"when: has(declaration.nothing)\n  that: declaration.nothing == 1\n  at: /name", []expectation{}},
		"optional":            {"that: declaration.?nothing.?at.orValue('') == ''\n  at: /name", []expectation{}},
		"the day":             {"that: on == '2026-03-02'\n  at: /name", []expectation{}},
		"entries with a text": {"each: /items/*/parts\n  when: has(item.mass)\n  that: entriesWith(declaration.items[0].parts, 'mass', item.mass) == 1\n  at: mass", []expectation{{"r.x", "/items/2/parts/0/mass", false}, {"r.x", "/items/2/parts/2/mass", false}}},
		"unquoted truth":      {"that: false\n  at: /name", []expectation{{"r.x", "/name", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			faults, err := compiled(t, "- code: r.x\n  "+check.rule+text).Check(tree, sampleDay)
			if err != nil {
				t.Fatal(err)
			}
			if found := expectations(faults); !reflect.DeepEqual(found, check.want) {
				t.Errorf("found %v, expected %v", found, check.want)
			}
			for _, fault := range faults {
				if fault.Text != (Text{"It is wrong.", "有误。"}) {
					t.Errorf("%+v", fault.Text)
				}
			}
		})
	}
}

// A rule that cannot be decided is an error, never a pass.
func TestUndecidedRuleIsAnError(t *testing.T) {
	tree := parsed(t, []byte(`{"name": "x", "items": [{"n": 1}, {}]}`))
	for name, rule := range map[string]string{
		"missing part":         "each: /items\n  that: item.n == 1",
		"missing part in when": "each: /items\n  when: item.n == 1\n  that: true",
		"wrong type":           "that: declaration.name + 1 == 2\n  at: /name",
		"no decimal":           "that: lte(declaration.name, '1')\n  at: /name",
		"not true or false":    "that: declaration.name\n  at: /name",
		"no date":              "that: dateLte(declaration.name, on)\n  at: /name",
		"no mass":              "that: inUnit('1', 'LTR', 'KGM') == '1'\n  at: /name",
		"unknown list":         "that: codeIn(declaration.name, 'CN')\n  at: /name",
		"list it made itself":  "that: entriesWith([declaration], 'name', 'x') == 1\n  at: /name",
		"divided by zero":      "that: 1 / (size(declaration.items) - 2) == 1\n  at: /name",
	} {
		faults, err := compiled(t, "- code: r.x\n  "+rule+"\n  en: e\n  zh: z\n").Check(tree, sampleDay)
		if err == nil || !strings.Contains(err.Error(), "r.x") {
			t.Errorf("%s: %v, %v", name, faults, err)
		}
		if err != nil && strings.Contains(name, "missing") && !strings.Contains(err.Error(), "/items/1") {
			t.Errorf("%s does not say where: %v", name, err)
		}
	}
}

func TestRuleCostIsBounded(t *testing.T) {
	list := make([]any, 2000)
	for i := range list {
		list[i] = "x"
	}
	rules := compiled(t, "- {code: r.x, that: 'declaration.l.all(a, declaration.l.all(b, declaration.l.all(c, a == b && b == c)))', at: /l, en: e, zh: z}")
	if _, err := rules.Check(map[string]any{"l": list}, sampleDay); err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("%v", err)
	}
}

func TestRuleFileFaults(t *testing.T) {
	const end = "\n  at: /a\n  en: e\n  zh: z\n"
	for name, check := range map[string]struct{ src, want string }{
		"no YAML":              {"- code: [", "r.yaml:1:9: "},
		"no list":              {"code: r.x", "r.yaml:1:5: "},
		"unknown key":          {"- code: r.x\n  thta: true" + end, "r.yaml:2:3: unknown field \"thta\""},
		"key twice":            {"- code: r.x\n  that: true\n  that: true" + end, "r.yaml:3:3: "},
		"no code":              {"- that: true" + end, "a rule needs a code"},
		"a word for a code":    {"- code: x\n  that: true" + end, "r.yaml:1:9: a rule needs a code"},
		"no that":              {"- code: r.x" + end, "r.yaml:1:9: the rule has no that"},
		"no Chinese":           {"- code: r.x\n  that: true\n  at: /a\n  en: e\n", "r.yaml:1:9: the rule needs its text"},
		"at from nowhere":      {"- code: r.x\n  that: true\n  at: a\n  en: e\n  zh: z\n", "r.yaml:1:9: a rule without each"},
		"each from nowhere":    {"- code: r.x\n  each: [/a, b]\n  that: true" + end, "r.yaml:2:14: each: a pointer begins"},
		"code twice":           {"- code: r.x\n  that: true" + end + "- code: r.x\n  that: true" + end, "r.yaml:6:9: this code stands twice"},
		"syntax":               {"- code: r.x\n  that: declaration.a ==" + end, "r.yaml:2:25: syntax error"},
		"unknown variable":     {"- code: r.x\n  that: 1 == 1 && declraation.a == 1" + end, "r.yaml:2:19: undeclared reference"},
		"quoted":               {"- code: r.x\n  that: \"1 == 1 && x\"" + end, "r.yaml:2:20: undeclared reference"},
		"several lines":        {"- code: r.x\n  that: |\n    1 == 1 &&\n    x" + end, "r.yaml:4:5: undeclared reference"},
		"fault in when":        {"- code: r.x\n  when: x\n  that: true" + end, "r.yaml:2:9: undeclared reference"},
		"unknown function":     {"- code: r.x\n  that: gross(declaration)" + end, "r.yaml:2:14: undeclared reference"},
		"wrong argument":       {"- code: r.x\n  that: lte(1, 2)" + end, "r.yaml:2:12: found no matching overload"},
		"not true or false":    {"- code: r.x\n  that: 1 + 1" + end, "r.yaml:2:9: the expression gives a int"},
		"unknown code list":    {"- code: r.x\n  that: codeIn('planet', 'x')" + end, "r.yaml:2:9: there is no code list planet"},
		"several faults":       {"- code: r.x\n  that: x" + end + "- code: r.y\n  that: y" + end, "r.yaml:2:9: undeclared reference to 'x'\nr.yaml:7:9: undeclared"},
		"object where text is": {"- code: r.x\n  that: {a: b}" + end, "r.yaml:2:9: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := CompileRules("r.yaml", []byte(check.src))
			var fault *FileError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), check.want) {
				t.Errorf("%v, expected %s", err, check.want)
			}
		})
	}
}

func TestFunctions(t *testing.T) {
	const tree = `{"m": {"value": "2"}, "t": {"value": "2", "unit": "TNE"}, "l": {"value": "2", "unit": "LTR"}, "s": ["1", "2.50"]}`
	for _, expression := range []string{
		`cmp("1", "1.00") == 0 && cmp("-2", "1") == -1 && cmp("10", "9.999") == 1`,
		`lt("0.1", "0.2") && !lt("0.2", "0.20") && lte("0.2", "0.20") && eq("0.2", "0.20") && !eq("0.2", "0.21")`,
		`add("0.1", "0.2") == "0.3" && sub("1", "0.9") == "0.1" && mul("1.5", "1.5") == "2.25"`,
		`mul("999999999999999.999999", "9999999999999.999") == "9999999999999998999990000000.000000001"`,
		`sum([]) == "0" && sum(["0.1", "0.2", "-0.3"]) == "0" && sum(declaration.s) == "3.5"`,
		`round("2.345", 2) == "2.35" && round("-2.345", 2) == "-2.35" && round("2.344", 2) == "2.34" && round("1250", -2) == "1300"`,
		`abs("-1.5") == "1.5" && abs("1.5") == "1.5"`,
		`lastPlace("6.45") == "0.01" && lastPlace("6.450") == "0.001" && lastPlace("6") == "1"`,
		`inUnit("2", "TNE", "KGM") == "2000" && inUnit("2", "GRM", "KGM") == "0.002" && inUnit("1", "LBR", "KGM") == "0.45359237"`,
		`inUnit("0.45359237", "KGM", "LBR") == "1" && inUnit("1500", "KGM", "TNE") == "1.5" && inUnit("1.0", "KGM", "KGM") == "1.0"`,
		`inUnit(declaration.m, "KGM") == "2" && inUnit(declaration.t, "KGM") == "2000"`,
		`isMass(declaration.m) && isMass(declaration.t) && !isMass(declaration.l) && !isMass(null) && !isMass("KGM")`,
		`iso6346("CSQU3054383") && !iso6346("MSCU8492019") && imoNumber("9074729") && uscc("91350100M000100Y43") && mrn("26GB5RUJM2INECIAR0")`,
		`codeIn("country", "CN") && !codeIn("country", "QQ") && codeIn("incoterm", "DAF")`,
		`dateLte("2026-03-02", "2026-03-02") && dateLte("2026-03-02", "2026-10-01") && !dateLte("2026-03-02", "2025-10-01")`,
		`dateLte("2026-03-02T08:00:00+08:00", "2026-03-02T00:00:00Z") && !dateLte("2026-03-02T08:00:01+08:00", "2026-03-02T00:00:00Z")`,
		`dateLte("2026-03-02T23:59:59-08:00", "2026-03-02") && !dateLte("2026-03-03T00:00:00+08:00", "2026-03-02")`,
		`dateLte("2016-12-31T23:59:60Z", "2016-12-31T23:00:00Z")`,
		`declaration[?"x"].orValue("y") == "y" && declaration.?m.?value.orValue("") == "2"`,
	} {
		condition, err := CompileCondition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if holds, err := condition.Holds(parsed(t, []byte(tree))); err != nil || !holds {
			t.Errorf("%s: %v %v", expression, holds, err)
		}
	}
	for _, expression := range []string{
		`add("1e9", "1") == ""`, `add("", "1") == ""`, `add("1,5", "1") == ""`, `add("--1", "1") == ""`, `add("１", "1") == ""`,
		`abs("` + strings.Repeat("9", 101) + `") == ""`, `sum(["1", "x"]) == ""`, `inUnit(declaration.l, "KGM") == ""`,
		`dateLte("2026-02-30", "2026-01-01")`, `dateLte("02.03.2026", "2026-01-01")`, `dateLte("", "2026-01-01")`,
	} {
		condition, err := CompileCondition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if holds, err := condition.Holds(parsed(t, []byte(tree))); err == nil {
			t.Errorf("%s is %v, not an error", expression, holds)
		}
	}
}

func TestCondition(t *testing.T) {
	condition, err := CompileCondition(`declaration.?means.?mode.orValue("") == "1"`)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{`{"means": {"mode": "1"}}`: true, `{"means": {"mode": "4"}}`: false, `{"means": {}}`: false, `{}`: false} {
		if holds, err := condition.Holds(parsed(t, []byte(text))); err != nil || holds != want {
			t.Errorf("%s: %v %v", text, holds, err)
		}
	}
	for expression, want := range map[string]string{
		`declaration.a ==`: "1:",
		"true &&\n  item":  "2:3: ",
		`"a"`:              "1:1: the expression gives a string",
	} {
		if _, err := CompileCondition(expression); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", expression, err)
		}
	}
	strict, err := CompileCondition(`declaration.missing == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := strict.Holds(map[string]any{}); err == nil {
		t.Errorf("a missing part makes it %v", holds)
	}
	if _, err := strict.Holds(map[string]any{"missing": json.Number("1")}); err != nil {
		t.Error(err)
	}
}
