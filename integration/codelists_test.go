package integration

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"testing"

	"singlewindow/api"
	"singlewindow/declare"
)

// TestCodeListsOverREST: every list, in both forms, by day, and only once when
// it has not changed.
func TestCodeListsOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	lists, err := declare.CodeLists()
	must(t, err)
	listed := decoded[struct{ CodeLists []api.CodeListSummary }](t, w.ask(t, w.key, http.MethodGet, "/v1/codelists", nil)).CodeLists
	if len(listed) != len(lists) || len(listed) == 0 {
		t.Fatalf("%d lists of %d", len(listed), len(lists))
	}
	for _, summary := range listed {
		list := lists[summary.Name]
		if summary.Count != len(list.Entries) || summary.Complete != list.Complete || summary.Source != list.Source {
			t.Errorf("%+v", summary)
		}
		given := w.ask(t, w.key, http.MethodGet, summary.Address+"?lang=all", nil, "Accept", "application/json")
		view := decoded[api.CodeListView](t, given)
		if given.status != http.StatusOK || len(view.Entries) != summary.Count || view.Entries[0].Titles == nil || view.Entries[0].Titles.English != list.Entries[0].Title.English {
			t.Errorf("%s: %d %.200s", summary.Name, given.status, given.body)
		}
		given = w.ask(t, w.key, http.MethodGet, summary.Address, nil, "Accept", "text/csv")
		rows, err := csv.NewReader(bytes.NewReader(given.body)).ReadAll()
		must(t, err)
		if given.header.Get("Content-Type") != "text/csv; charset=utf-8" || len(rows) != summary.Count+1 || rows[0][0] != "code" || rows[1][2] != list.Entries[0].Title.Chinese {
			t.Errorf("%s: %v %.200s", summary.Name, given.header, given.body)
		}
	}
	w.mustFilterByDay(t, lists)
	w.mustKnowETags(t, listed[0].Address)
	refused(t, "no such list", w.ask(t, w.key, http.MethodGet, "/v1/codelists/none", nil), 404, "resource.missing")
	refused(t, "no such day", w.ask(t, w.key, http.MethodGet, listed[0].Address+"?on=2026-02-30", nil), 422, "parameter.invalid")
	refused(t, "no such form", w.ask(t, w.key, http.MethodGet, listed[0].Address+"?format=xml", nil), 422, "parameter.invalid")
	refused(t, "as XML", w.ask(t, w.key, http.MethodGet, listed[0].Address, nil, "Accept", "application/xml"), 406, "accept.unsupported")
	refused(t, "nobody", w.ask(t, "", http.MethodGet, listed[0].Address, nil), 401, "auth.missing")
}

// mustFilterByDay: an entry that has ended, or not begun, is there on its days
// only.
func (w *restWindow) mustFilterByDay(t *testing.T, lists map[string]*declare.CodeList) {
	t.Helper()
	checked := 0
	for name, list := range lists {
		for _, code := range list.Entries {
			day, there := code.ValidTo, true
			if day == "" {
				if day, there = code.ValidFrom, true; day == "" {
					continue
				}
			}
			for on, want := range map[string]bool{day: there, "0001-01-01": code.ValidFrom == "", "9999-12-31": code.ValidTo == ""} {
				given := decoded[api.CodeListView](t, w.ask(t, w.key, http.MethodGet, "/v1/codelists/"+name+"?on="+on, nil))
				found := false
				for _, entry := range given.Entries {
					found = found || entry.Code == code.Code && entry.ValidFrom == code.ValidFrom && entry.ValidTo == code.ValidTo
				}
				if found != want {
					t.Errorf("%s %s on %s: there is %v, want %v", name, code.Code, on, found, want)
				}
			}
			checked++
			break
		}
	}
	if checked == 0 {
		t.Error("no list has an entry with days")
	}
}

// mustKnowETags: who has the answer need not have it again; another form is
// another answer.
func (w *restWindow) mustKnowETags(t *testing.T, address string) {
	t.Helper()
	etag := w.ask(t, w.key, http.MethodGet, address, nil).header.Get("ETag")
	same := w.ask(t, w.key, http.MethodGet, address, nil, "If-None-Match", `"other", W/`+etag)
	if etag == "" || same.status != http.StatusNotModified || len(same.body) != 0 || same.header.Get("ETag") != etag {
		t.Errorf("%s: %d %v", etag, same.status, same.header)
	}
	for _, other := range []string{"?format=csv", "?lang=zh", "?on=0001-01-01&lang=all"} {
		if given := w.ask(t, w.key, http.MethodGet, address+other, nil, "If-None-Match", etag); given.status != http.StatusOK {
			t.Errorf("%s: %d", other, given.status)
		}
	}
}
