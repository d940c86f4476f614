package adapters

import (
	"net/http"
	"slices"
	"strconv"

	"singlewindow/declare"
)

func (b *noticeBook) checkWords() Faults {
	var faults Faults
	for i, key := range b.file.Order {
		if !slices.Contains([]string{"version", "issuedAt", "rank"}, key) {
			faults = append(faults, b.source.at("order knows version, issuedAt and rank", "order", i))
		}
	}
	if len(b.file.Order) == 0 {
		faults = append(faults, b.source.at("order is missing", "order"))
	}
	if len(b.file.Roots) == 0 {
		faults = append(faults, b.source.at("roots is missing", "roots"))
	}
	for i, word := range b.file.Reopens {
		if _, known := b.file.Words[word]; !known {
			faults = append(faults, b.source.at("reopens names a word that words does not have", "reopens", i))
		}
	}
	for i, word := range b.file.Opens {
		if _, known := b.file.Words[word]; !known {
			faults = append(faults, b.source.at("opens names a word that words does not have", "opens", i))
		}
	}
	if b.file.By != "" && b.file.By != byNames {
		faults = append(faults, b.source.at("by is names, or is not there", "by"))
	}
	for number, header := range b.file.Headers {
		if http.CanonicalHeaderKey(header) == "" {
			faults = append(faults, b.source.at("not the name of a header", "headers", number))
		}
	}
	for code, text := range b.file.Texts {
		if text.English == "" || text.Chinese == "" {
			faults = append(faults, b.source.at("a text needs en and zh", "texts", code))
		}
	}
	for word, entry := range b.file.Words {
		if !slices.Contains(declare.Decisions, entry.Decision) {
			faults = append(faults, b.source.at("not a decision", "words", word, "decision"))
		}
		if entry.English == "" || entry.Chinese == "" {
			faults = append(faults, b.source.at("a word needs en and zh", "words", word))
		}
	}
	return faults
}

// checkRoot holds every path to the schema, and every word the schema allows
// to the table: one that is missing would make a notice unreadable.
func (b *noticeBook) checkRoot(i int, root noticeRoot) Faults {
	var faults Faults
	model := b.schema.Model()
	demand := func(at string, keys ...any) {
		if at == "" || model.Find(noticeSteps(at)...) == nil {
			faults = append(faults, b.source.at("the schema has no such element", append([]any{"roots", i}, keys...)...))
		}
	}
	optional := func(at string, keys ...any) {
		if at != "" {
			demand(at, keys...)
		}
	}
	below := func(each string, paths map[string]string, keys ...any) {
		if each == "" {
			return
		}
		demand(each, append(keys, "each")...)
		for key, at := range paths {
			optional(join(each, at), append(slices.Clone(keys), key)...)
		}
	}
	demand("/"+root.Root, "root")
	if len(root.Word) == 0 {
		return append(faults, b.source.at("word is missing", "roots", i))
	}
	for part, at := range root.Word {
		demand(at, "word", part)
	}
	optional(root.DeliveryID, "deliveryId")
	optional(root.IssuedAt.Path, "issuedAt", "path")
	optional(root.Version, "version")
	optional(root.Remark, "remark")
	for number, at := range root.Numbers {
		demand(at, "numbers", number)
	}
	pointer := ""
	if b.chains != nil {
		pointer = b.file.Pointers.Each
	}
	below(root.Errors.Each, map[string]string{"code": root.Errors.Code, "text": root.Errors.Text, "path": root.Errors.Path, "": pointer}, "errors")
	notes := root.Errors.Notes
	if notes.Each != "" && b.chains == nil {
		faults = append(faults, b.source.at("notes need pointers: they point at errors", "roots", i, "errors", "notes"))
	}
	below(notes.Each, map[string]string{"text": notes.Text, "": pointer}, "errors", "notes")
	documents := root.Documents
	below(documents.Each, map[string]string{"code": documents.Code, "text": documents.Text, "limit": documents.Limit, "": pointer}, "documents")
	for j, form := range root.Duties {
		d := form.Duty
		below(form.Each, map[string]string{"item": form.Item}, "duties", j)
		below(join(form.Each, d.Each), map[string]string{
			"type": d.Type, "regime": d.Regime, "rate": d.Rate, "base": d.Base, "quantity": d.Quantity, "deducted": d.Deducted,
			"assessed": d.Assessed, "payable": d.Payable, "method": d.Method, "reference": d.Reference, "due": d.Due,
		}, "duties", j, "duty")
	}
	if element := model.Find(noticeSteps(root.Word[0])...); element != nil {
		for _, word := range element.Facets.Enumeration {
			if _, known := b.file.Words[word]; !known {
				faults = append(faults, b.source.at("words has no entry for "+strconv.Quote(word)+", which the schema allows", "words"))
			}
		}
	}
	return faults
}

// noticeSteps are the local names of a path, without numbers.
func noticeSteps(at string) []string {
	names := steps(at)
	for i, step := range names {
		names[i], _ = numberedStep(step)
	}
	return names
}
