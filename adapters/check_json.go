package adapters

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// placeIn finds where in a JSON text the value at a pointer (RFC 6901) stands,
// or the nearest one around it that exists; in a text that is no JSON, where
// it ceases to be.
func placeIn(content []byte, pointer string) (line, column int) {
	f := &jsonFinder{content: content, pointer: pointer, decoder: json.NewDecoder(bytes.NewReader(content))}
	f.decoder.UseNumber()
	if err := f.value(""); err != nil {
		f.found = int(f.decoder.InputOffset())
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			f.found = int(syntax.Offset) - 1
		}
	}
	return placeOf(content, f.found)
}

type jsonFinder struct {
	content []byte
	pointer string
	decoder *json.Decoder
	found   int // offset of the deepest value on the way to pointer
}

// value reads the next value, which stands at the pointer at.
func (f *jsonFinder) value(at string) error {
	if f.pointer == at || strings.HasPrefix(f.pointer, at+"/") {
		start := int(f.decoder.InputOffset())
		f.found = start + len(f.content[start:]) - len(bytes.TrimLeft(f.content[start:], " \t\r\n:,"))
	}
	opened, err := f.decoder.Token()
	if err != nil {
		return err
	}
	delimiter, nested := opened.(json.Delim)
	if !nested {
		return nil
	}
	for index := 0; f.decoder.More(); index++ {
		step := strconv.Itoa(index)
		if delimiter == '{' {
			key, err := f.decoder.Token()
			if err != nil {
				return err
			}
			step, _ = key.(string) // the decoder lets nothing else be a key
			step = strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
		}
		if err := f.value(at + "/" + step); err != nil {
			return err
		}
	}
	_, err = f.decoder.Token()
	return err
}
