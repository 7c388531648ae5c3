package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"example.com/gateway"
)

// A value is a JSON value, as text. Package encoding/json has checked that the text is JSON, so
// that the methods need not: they walk through the text of an event once or twice, and allocate
// next to nothing. To unmarshal an event takes half as long again and ten times the allocations,
// and loses the order of headers.
type value string

// errNotAnObject is for an event that is no JSON object.
var errNotAnObject = errors.New("lambda: the event is no JSON object")

// parseObject returns the object that the bytes of an event are.
func parseObject(event []byte) (value, error) {
	if !json.Valid(event) {
		var v json.RawMessage
		return "", fmt.Errorf("lambda: the event is no JSON: %w", json.Unmarshal(event, &v))
	}
	v := value(event).trim()
	if v[0] != '{' {
		return "", fmt.Errorf("%w, but %s", errNotAnObject, v.kind())
	}
	return v, nil
}

// trim returns v without the white space before and after it.
func (v value) trim() value { return value(strings.Trim(string(v), " \t\r\n")) }

// kind returns what v is, with its article.
func (v value) kind() string {
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// isNull reports whether v is null, which is the same as absent.
func (v value) isNull() bool { return v == "" || v[0] == 'n' }

// size returns the length of the value at the beginning of v.
func (v value) size() int {
	switch v[0] {
	case '"':
		return stringSize(v)
	case '{', '[':
		depth := 0
		for i := 0; ; {
			switch v[i] {
			case '"':
				i += stringSize(v[i:])
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	if i := strings.IndexAny(string(v), ",]} \t\r\n"); i >= 0 {
		return i
	}
	return len(v)
}

// stringSize returns the length of the string at the beginning of v, with its quotes.
func stringSize(v value) int {
	for i := 1; ; {
		i += strings.IndexByte(string(v[i:]), '"')
		escapes := i
		for v[escapes-1] == '\\' {
			escapes--
		}
		if i++; (i-1-escapes)%2 == 0 {
			return i
		}
	}
}

// each calls f for each member of an object or a list. The name of a list's member is "". each
// stops at an error of f, and returns it.
func (v value) each(f func(name string, member value) error) error {
	isObject := v[0] == '{'
	for rest := v[1:].trimLeft(); rest[0] != '}' && rest[0] != ']'; {
		name := ""
		if isObject {
			n := stringSize(rest)
			name = rest[:n].text()
			rest = rest[n:].trimLeft()[1:].trimLeft() // behind the colon
		}
		n := rest.size()
		if err := f(name, rest[:n]); err != nil {
			return err
		}
		if rest = rest[n:].trimLeft(); rest[0] == ',' {
			rest = rest[1:].trimLeft()
		}
	}
	return nil
}

func (v value) trimLeft() value {
	for v[0] == ' ' || v[0] == '\t' || v[0] == '\r' || v[0] == '\n' {
		v = v[1:]
	}
	return v
}

// text returns the string that v is. A part of the text that is no UTF-8, or half of a pair of
// surrogates, becomes U+FFFD.
func (v value) text() string {
	s := string(v[1 : len(v)-1])
	if strings.IndexByte(s, '\\') < 0 && utf8.ValidString(s) {
		return s
	}
	var decoded string // which escapes to the heap: s does not
	_ = json.Unmarshal([]byte(v), &decoded)
	return decoded
}

// appendString appends a string of JSON. Bytes that are no UTF-8 become the characters of Latin-1
// that they are.
func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = gateway.DecodeLatin1(s)
	}
	return appendUTF8(b, s)
}

// appendUTF8 appends text as a string of JSON. Package encoding/json would make six bytes of each
// "<", ">" and "&" of a page.
func appendUTF8[T string | []byte](b []byte, text T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, text[start:]...), '"')
}
