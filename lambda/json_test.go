package lambda

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"example.com/gateway"
)

// walked returns what the walk through v finds, as package encoding/json has it.
func walked(v value) any {
	switch v.kind() {
	case "null":
		return nil
	case "a boolean":
		return v == "true"
	case "a string":
		return v.text()
	case "a list":
		list := []any{}
		_ = v.each(func(_ string, member value) error {
			list = append(list, walked(member))
			return nil
		})
		return list
	case "an object":
		m := map[string]any{}
		_ = v.each(func(name string, member value) error {
			m[name] = walked(member)
			return nil
		})
		return m
	}
	return json.Number(v)
}

// A walk finds what package encoding/json finds.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{urlEvent, restEvent, `{}`, `{"a":{}}`, `{"a":[]}`,
		`{"a":[[],{},"",0]}`, `{ "a" : [ 1 , 2 ] , "b" : null }`,
		`{"\"":"\\"}`, `{"\\":"\\\""}`, `{"a":"]}"}`, `{"a":-1.5E+3,"b":true,"c":false}`,
		"{\t\"a\"\r\n:\"\xff\"}", `{"a":"\ud800"}`,
		`{"a":"x","a":"y"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		object, err := parseObject([]byte(s))
		var want any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if wantErr := d.Decode(&want); wantErr != nil && err == nil {
			t.Fatalf("%q is no JSON: %v", s, wantErr)
		}
		if err != nil {
			return
		}
		if got := walked(object); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %#v, want %#v", s, got, want)
		}
	})
}

// A string that was appended is what package encoding/json reads, and bytes that are no UTF-8 are
// characters of Latin-1.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é\u2028😀", "\xff\xfe",
		"<script>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := s
		if _, ok := gateway.DecodeUTF8(s); !ok {
			want = gateway.DecodeLatin1(s)
		}
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != want {
			t.Errorf("%q is %s, %q, %v", s, appendString(nil, s), got, err)
		}
	})
}

// A page is not made larger by escapes that no reader needs.
func TestAPageIsNotEscaped(t *testing.T) {
	t.Parallel()
	if got, want := string(appendUTF8([]byte("x"), []byte("<a href='?a&b'>é</a>\n"))),
		"x\"<a href='?a&b'>é</a>\\n\""; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnEachThatFailsStops(t *testing.T) {
	t.Parallel()
	n := 0
	err := value(`[1,2,3]`).each(func(string, value) error {
		n++
		return fmt.Errorf("at %d", n)
	})
	if n != 1 || err == nil {
		t.Errorf("after %d: %v", n, err)
	}
}
