package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyFile writes a tenant's key where only its owner can read it.
func (d desk) keyFile(t *testing.T, tenant string) string {
	t.Helper()
	file := filepath.Join(d.home, tenant+".key")
	must(t, os.WriteFile(file, []byte(d.keys[tenant]+"\n"), 0o600))
	return file
}

func (d desk) profiles() string {
	return filepath.Join(d.home, ".config", "singlewindow", "profiles.yaml")
}

// profileCounts: flags count before the environment, and that before a
// profile; whose key is seen by no other server. CLI-1 is acme's.
func profileCounts(t *testing.T, d desk) {
	server := "http://" + d.gateway.address
	nowhere := "http://" + freeAddress(t)
	for _, tenant := range []string{acme, bolt} {
		d.must(t, 0, nil, []string{"profiles", "add", tenant, "--server", server + "/", "--key-file", d.keyFile(t, tenant)})
	}
	const found, none, wrong = 0, 1, 2
	for name, test := range map[string]struct {
		environment string
		arguments   string
		code        int
		says        string
	}{
		"the profile in use":                     {"", "", found, "CLI-1"},
		"a profile of the environment":           {"SINGLEWINDOW_PROFILE=bolt", "", none, "no declaration of yours"},
		"a profile of a flag":                    {"SINGLEWINDOW_PROFILE=bolt", "--profile acme", found, "CLI-1"},
		"no such profile":                        {"SINGLEWINDOW_PROFILE=none", "", wrong, "no profile none"},
		"a key of the environment":               {"SINGLEWINDOW_KEY=" + d.keys[bolt], "", none, "no declaration of yours"},
		"server and key of the environment":      {"SINGLEWINDOW_KEY=x SINGLEWINDOW_SERVER=" + nowhere, "", none, "connection refused"},
		"a flag before the environment":          {"SINGLEWINDOW_KEY=x SINGLEWINDOW_SERVER=" + nowhere, "--server " + server + " --key-file acme.key", found, "CLI-1"},
		"a profile of a flag before it too":      {"SINGLEWINDOW_KEY=x SINGLEWINDOW_SERVER=" + nowhere, "--profile acme", found, "CLI-1"},
		"a flag before a profile of a flag":      {"", "--profile acme --key-file bolt.key", none, "no declaration of yours"},
		"no profile's key for another server":    {"SINGLEWINDOW_SERVER=" + nowhere, "", wrong, "its own server only"},
		"nor where a flag names the server":      {"", "--server " + nowhere, wrong, "its own server only"},
		"nor beside a profile of a flag":         {"", "--profile acme --server " + nowhere, wrong, "its own server only"},
		"the profile's own server named again":   {"SINGLEWINDOW_SERVER=" + server, "", found, "CLI-1"},
		"a key that is no file":                  {"", "--key-file none.key", wrong, "none.key"},
		"a language that is none":                {"", "--language fr", wrong, "en or zh"},
		"a language of the environment is asked": {"SINGLEWINDOW_LANGUAGE=fr", "", wrong, "en or zh"},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := append([]string{"status", "CLI-1"}, strings.Fields(test.arguments)...)
			given := d.must(t, test.code, strings.Fields(test.environment), arguments, test.says)
			for _, key := range d.keys {
				if strings.Contains(given.out+given.messages, key) {
					t.Error("it shows a key")
				}
			}
		})
	}
}

// profileFile: the file is for its owner's eyes, holds no key, and changes as
// the commands say.
func profileFile(t *testing.T, d desk) {
	add := func(code int, name string, arguments ...string) said {
		t.Helper()
		return d.must(t, code, nil, append([]string{"profiles", "add", name}, arguments...))
	}
	key := d.keyFile(t, acme)
	d.must(t, 2, nil, []string{"status", "CLI-1"}, "no API key")
	add(0, "acme", "--server", "http://"+d.gateway.address, "--key-file", key, "--language", "zh")
	add(0, "harbour", "--server", "https://harbour.example/window", "--key-file", key)
	for _, arguments := range [][]string{
		{"harbour"}, {"harbour", "--server", "https://harbour.example"}, {"harbour", "--key-file", key}, {"a b", "--server", "https://harbour.example", "--key-file", key},
		{"harbour", "--server", "harbour.example", "--key-file", key}, {"harbour", "--server", "https://me:secret@harbour.example", "--key-file", key},
		{"harbour", "--server", "https://harbour.example", "--key-file", key + ".none"}, {"harbour", "--server", "https://harbour.example", "--key-file", d.home},
	} {
		if given := add(2, arguments[0], arguments[1:]...); strings.Contains(given.messages, "secret") {
			t.Errorf("%s", given.messages)
		}
	}
	must(t, os.Chmod(key, 0o644))
	if given := add(0, "open", "--server", "https://harbour.example", "--key-file", key); !strings.Contains(given.messages, "others can read") {
		t.Errorf("nothing about a key that others can read: %s", given.messages)
	}
	info, err := os.Stat(d.profiles())
	must(t, err)
	content, err := os.ReadFile(d.profiles())
	must(t, err)
	if info.Mode().Perm() != 0o600 || strings.Contains(string(content), d.keys[acme]) {
		t.Errorf("%v:\n%s", info.Mode(), content)
	}
	d.must(t, 1, nil, []string{"submit", fileIn(t, d.home, "empty.json", []byte("{}"))}, "申报") // in the profile's language
	d.must(t, 0, nil, []string{"profiles", "list"}, "* acme", "  harbour  https://harbour.example/window")
	d.must(t, 0, nil, []string{"profiles", "use", "harbour"})
	d.must(t, 0, nil, []string{"profiles", "-o", "json"}, `"use": "harbour"`, `"keyFile": "`+key)
	d.must(t, 0, nil, []string{"profiles", "remove", "harbour"})
	d.must(t, 2, nil, []string{"profiles", "use", "harbour"}, "no profile harbour")
	d.must(t, 2, nil, []string{"status", "CLI-1"}, "no API key") // none is in use
	d.must(t, 2, nil, []string{"profiles", "nonsense"})
}

// profileBroken: what is wrong with a file is told with its line, and nothing
// of what stands there; who names server and key does not need it.
func profileBroken(t *testing.T, d desk) {
	must(t, os.MkdirAll(filepath.Dir(d.profiles()), 0o700))
	for name, test := range map[string]struct{ content, line, says string }{
		"an unknown field":      {"profiles:\n  acme:\n    server: http://a.example\n    key: sw_live_oops\n", "line 4", "key"},
		"no YAML":               {"profiles:\n  acme: {server: http://a.example\n", "line 2", ""},
		"no keyFile":            {"profiles:\n  acme:\n    server: http://a.example\n", "line 3", "keyFile"},
		"no server's address":   {"profiles:\n  acme:\n    keyFile: a.key\n    server: sw_live_oops\n", "line 4", "server"},
		"a profile not there":   {"profiles:\n  acme: {server: http://a.example, keyFile: a.key}\nuse: bolt\n", "line 3", "bolt"},
		"twice the same":        {"profiles:\n  acme: {server: http://a.example, keyFile: a.key}\n  acme: {}\n", "line 3", ""},
		"a language unheard of": {"profiles:\n  acme:\n    server: http://a.example\n    keyFile: a.key\n    language: fr\n", "line 5", "en or zh"},
	} {
		must(t, os.WriteFile(d.profiles(), []byte(test.content), 0o600))
		for _, arguments := range [][]string{{"status", "CLI-1"}, {"profiles", "list"}, {"profiles", "use", "acme"}} {
			given := d.must(t, 2, nil, arguments, d.profiles(), test.line, test.says)
			if strings.Contains(given.messages, "oops") {
				t.Errorf("%s: it shows what stands there: %s", name, given.messages)
			}
		}
	}
	d.must(t, 0, d.as(acme), []string{"status", "CLI-1"})
	must(t, os.WriteFile(d.profiles(), []byte("profiles: {}\n"), 0o600))
	must(t, os.Chmod(d.profiles(), 0o666))
	d.must(t, 2, nil, []string{"profiles"}, "written by others")
}
