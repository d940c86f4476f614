package adapters

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// apply changes a tree: what is set first, then what is removed.
func (m mutation) apply(tree map[string]any) error {
	for _, pointer := range slices.Sorted(maps.Keys(m.Set)) {
		value, err := plainValue(m.Set[pointer])
		if err != nil {
			return fmt.Errorf("%s: %w", pointer, err)
		}
		if err := edit(tree, pointer, func(any) (any, bool) { return value, true }); err != nil {
			return err
		}
	}
	for _, pointer := range m.Remove {
		if err := edit(tree, pointer, func(any) (any, bool) { return nil, false }); err != nil {
			return err
		}
	}
	return nil
}

// edit changes the value at an RFC 6901 pointer, or removes it when change
// answers false. Objects on the way are made; - appends to an array.
func edit(tree map[string]any, pointer string, change func(any) (any, bool)) error {
	if !strings.HasPrefix(pointer, "/") {
		return fmt.Errorf("%q is no pointer", pointer)
	}
	_, _, err := editAt(tree, strings.Split(pointer[1:], "/"), change)
	if err != nil {
		return fmt.Errorf("%s: %w", pointer, err)
	}
	return nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func editAt(node any, steps []string, change func(any) (any, bool)) (any, bool, error) {
	if len(steps) == 0 {
		changed, keep := change(node)
		return changed, keep, nil
	}
	step := unescape.Replace(steps[0])
	switch parent := node.(type) {
	case nil:
		return editAt(map[string]any{}, steps, change)
	case map[string]any:
		value, keep, err := editAt(parent[step], steps[1:], change)
		if err != nil {
			return nil, false, err
		}
		if keep {
			parent[step] = value
		} else {
			delete(parent, step)
		}
		return parent, true, nil
	case []any:
		index := len(parent)
		if step != "-" {
			var err error
			if index, err = strconv.Atoi(step); err != nil || index < 0 || index >= len(parent) {
				return nil, false, fmt.Errorf("no entry %s", step)
			}
		} else {
			parent = append(parent, nil)
		}
		value, keep, err := editAt(parent[index], steps[1:], change)
		if err != nil {
			return nil, false, err
		}
		if !keep {
			return slices.Delete(parent, index, index+1), true, nil
		}
		parent[index] = value
		return parent, true, nil
	}
	return nil, false, fmt.Errorf("nothing stands below %s", step)
}

// plainValue turns what YAML gives into what JSON intake gives.
func plainValue(value any) (any, error) {
	switch value := value.(type) {
	case int64, uint64:
		return json.Number(fmt.Sprint(value)), nil
	case []any:
		plain := make([]any, len(value))
		for i, entry := range value {
			var err error
			if plain[i], err = plainValue(entry); err != nil {
				return nil, err
			}
		}
		return plain, nil
	case map[string]any:
		plain := make(map[string]any, len(value))
		for key, entry := range value {
			var err error
			if plain[key], err = plainValue(entry); err != nil {
				return nil, err
			}
		}
		return plain, nil
	case nil, bool, string:
		return value, nil
	}
	return nil, errors.New("a number with a point must be a string")
}
