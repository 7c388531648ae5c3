package form

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// Values are the fields of a query or a form, by name, in their order. url.Values(v) has the
// methods of net/url, for a program that links it anyway.
type Values map[string][]string

// Get returns the first value of the name, or "".
func (v Values) Get(name string) string {
	if list := v[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// Query returns the pairs of QUERY_STRING, decoded. It accepts what net/url's ParseQuery accepts,
// but returns no values beside an error.
//
// A "%" without two hexadecimal digits is malformed, and so is a ";" that is not written as "%3B",
// since some programs take it for an "&". A query has as many pairs as [Limits] has by default,
// 1000. The server bounds its size: request.Limits.MaxHeaderBytes.
func Query(env *gateway.Environ) (Values, error) {
	return parseURLEncoded(env.Vars["QUERY_STRING"], "QUERY_STRING", Limits{}.withDefaults())
}

// Parse reads a form from Input, to its end, and returns its fields. The form is urlencoded, as
// [Query] has it, or multipart, as [Parts] has it. The fields of the query are not among them.
//
// Parse is for forms without files. A part with a file name is refused, as malformed, and not
// dropped: read such a form with Parts. The part of a file input in which the user chose nothing is
// a field without a value.
func Parse(env *gateway.Environ, limits Limits) (Values, error) {
	limits = limits.withDefaults()
	kind, boundary, err := mediaType(env)
	if err != nil {
		return nil, err
	}
	in, length, err := newInput(env, limits.MaxBytes)
	if err != nil {
		return nil, err
	}
	if kind == multipart {
		return newReader(in, length, boundary, limits).values()
	}
	text, err := in.text(length)
	if err != nil {
		return nil, readFault("form", err)
	}
	return parseURLEncoded(text, "form", limits)
}

// text returns all of the input, whose length is known if it is not negative.
func (in *input) text(length int64) (string, error) {
	// The client has only said how long the form is. The room for one more byte is for the end.
	buf := make([]byte, 0, min(max(length, 511), 64<<10)+1)
	for {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return string(buf), nil
		}
		if err != nil {
			return "", err
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
	}
}

// parseURLEncoded parses pairs (URL Standard, 5.1).
func parseURLEncoded(s, where string, limits Limits) (Values, error) {
	if i := strings.IndexByte(s, ';'); i >= 0 {
		return nil, malformed(where + ": byte " + strconv.Itoa(i) +
			" is a \";\": write %3B, or & between pairs")
	}
	// One array has the first value of each name, so that a name costs no slice of its own.
	room := min(strings.Count(s, "&")+1, limits.MaxFields)
	values, first := make(Values, room), make([]string, 0, room)
	for pairs := 0; s != ""; {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		if pairs++; pairs > limits.MaxFields {
			return nil, tooLarge(where+": the number of pairs", "MaxFields", limits.MaxFields)
		}
		name, value, _ := strings.Cut(pair, "=")
		name, isName := unescape(name)
		value, isValue := unescape(value)
		switch {
		case !isName || !isValue:
			return nil, malformed(where + ": pair " + strconv.Itoa(pairs) +
				": a \"%\" without two hexadecimal digits in " +
				header.Quote(pair))
		case max(len(name), len(value)) > limits.MaxFieldBytes:
			return nil, tooLarge(where+": pair "+strconv.Itoa(pairs), "MaxFieldBytes",
				limits.MaxFieldBytes)
		}
		if list := values[name]; list != nil {
			values[name] = append(list, value)
			continue
		}
		n := len(first)
		first = append(first, value)
		values[name] = first[n : n+1 : n+1]
	}
	return values, nil
}

// unescape decodes a name or a value. It returns false if s has a "%" without two hexadecimal
// digits.
func unescape(s string) (string, bool) {
	i := 0
	for i < len(s) && s[i] != '%' && s[i] != '+' { // names are short: a call of IndexByte costs more
		i++
	}
	if i == len(s) {
		return s, true
	}
	var b strings.Builder
	b.Grow(max(0, len(s)-2*strings.Count(s, "%")))
	b.WriteString(s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			c = fromHex(s[i+1])<<4 | fromHex(s[i+2])
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// fromHex returns the value of a hexadecimal digit. The letters are 0x41 to 0x46, and 0x61 to 0x66.
func fromHex(c byte) byte { return c&0xF + c>>6*9 }
