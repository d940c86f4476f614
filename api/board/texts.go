package board

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/language"
)

//go:embed texts
var textFiles embed.FS

// The languages of the pages; the first is spoken to whoever asks for none.
var (
	spoken  = [...]string{"en", "zh"}
	matcher = language.NewMatcher([]language.Tag{language.English, language.Chinese})
)

// A sentence in every language. {0}, {1} … stand for values. One is the
// English for when the first value is 1; Chinese needs no such form.
type sentence struct {
	English string `yaml:"en"`
	Chinese string `yaml:"zh"`
	One     string `yaml:"one"`
}

// texts are the sentences of all files by key, such as frame.product.
type texts map[string]sentence

func loadTexts() (texts, error) {
	files, err := fs.Glob(textFiles, "texts/*.yaml")
	if err != nil {
		return nil, err
	}
	all := texts{}
	for _, file := range files {
		content, err := textFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var found texts
		if err := yaml.UnmarshalWithOptions(content, &found, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for key, sentence := range found {
			if _, twice := all[key]; twice {
				return nil, fmt.Errorf("%s: %s stands in another file too", file, key)
			}
			if sentence.English == "" || sentence.Chinese == "" {
				return nil, fmt.Errorf("%s: %s lacks a language", file, key)
			}
			all[key] = sentence
		}
	}
	return all, nil
}

// say gives a sentence with its values. A key that is missing is an error: the
// page is not shown with a hole in it.
func (t texts) say(language, key string, values ...any) (string, error) {
	sentence, known := t[key]
	if !known {
		return "", fmt.Errorf("board: there is no text %q", key)
	}
	text := sentence.English
	if language == "zh" {
		text = sentence.Chinese
	} else if sentence.One != "" && len(values) > 0 && values[0] == 1 {
		text = sentence.One
	}
	if len(values) == 0 {
		return text, nil
	}
	var replace []string
	for i, value := range values {
		if number, ok := value.(int); ok {
			value = groupThousands(number)
		}
		replace = append(replace, fmt.Sprintf("{%d}", i), fmt.Sprint(value))
	}
	return strings.NewReplacer(replace...).Replace(text), nil
}

const languageCookie = "singlewindow-language"

// languageOf is what ?lang= says, else what was chosen before, else what the
// browser prefers.
func languageOf(r *http.Request) string {
	if chosen := r.URL.Query().Get("lang"); isSpoken(chosen) {
		return chosen
	}
	if cookie, err := r.Cookie(languageCookie); err == nil && isSpoken(cookie.Value) {
		return cookie.Value
	}
	_, index := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	return spoken[index]
}

// switchLanguage remembers a language that ?lang= chooses.
func (b *board) switchLanguage(w http.ResponseWriter, r *http.Request) {
	if chosen := r.URL.Query().Get("lang"); isSpoken(chosen) {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: chosen, Path: Root, MaxAge: 365 * 24 * 60 * 60,
			Secure: overTLS(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
}

func isSpoken(chosen string) bool { return chosen == spoken[0] || chosen == spoken[1] }

// has tells whether there is such a sentence.
func (t texts) has(key string) bool {
	_, known := t[key]
	return known
}
