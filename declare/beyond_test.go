package declare

import (
	"encoding/json"
	"testing"
)

func TestWithoutAndTouches(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string]struct {
		can  bool
		left string
	}{
		"/a/b":     {true, `{"a":{"c":[{"d":1},2]},"x/y":3}`},
		"/a/c/0/d": {true, `{"a":{"b":0,"c":[{},2]},"x/y":3}`},
		"/x~1y":    {true, `{"a":{"b":0,"c":[{"d":1},2]}}`},
		"/absent":  {true, `{"a":{"b":0,"c":[{"d":1},2]},"x/y":3}`},
		"/q/r":     {true, `{"a":{"b":0,"c":[{"d":1},2]},"x/y":3}`},
		"/a/c/1":   {false, `{"a":{"b":0,"c":[{"d":1},2]},"x/y":3}`},
		"":         {false, `{"a":{"b":0,"c":[{"d":1},2]},"x/y":3}`},
	} {
		var tree map[string]any
		if err := json.Unmarshal([]byte(`{"a":{"b":0,"c":[{"d":1},2]},"x/y":3}`), &tree); err != nil {
			t.Fatal(err)
		}
		can := without(tree, pointer)
		left, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if can != want.can || string(left) != want.left {
			t.Errorf("%q: %v %s", pointer, can, left)
		}
	}
	told := []Fault{{Pointer: "/a/b"}}
	for pointer, want := range map[string]bool{"/a/b": true, "/a/b/c": true, "/a": true, "": true, "/a/bc": false, "/a/c": false} {
		if touches(told, pointer) != want {
			t.Errorf("%q: %v", pointer, !want)
		}
	}
}
