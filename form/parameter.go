package form

import (
	"errors"
	"strings"

	"example.com/gateway/internal/header"
)

// A parameter is one of those behind a media type or a disposition.
type parameter struct{ name, value string }

var (
	errSemicolon = errors.New("there is no semicolon before a parameter")
	errParameter = errors.New("a parameter has no name, or no value behind a \"=\"")
	errQuote     = errors.New("a quoted value does not end")

	errParameters = errors.New("there are more than 16 parameters")
)

// maxParameters is how many parameters a type or a disposition may have. Browsers send two.
const maxParameters = 16

// appendParameters appends the parameters of s, which starts where a type or a disposition has
// ended. Of two parameters with one name, one parser takes the first and another the last: they are
// refused, whatever the name.
func appendParameters(list []parameter, s string) ([]parameter, error) {
	for s != "" {
		p, rest, err := cutParameter(s)
		if err != nil {
			return nil, err
		}
		if s = rest; p.name == "" {
			continue
		}
		for _, other := range list {
			if strings.EqualFold(other.name, p.name) {
				return nil, errors.New("a parameter is there twice: " + p.name)
			}
		}
		if list = append(list, p); len(list) > maxParameters {
			return nil, errParameters
		}
	}
	return list, nil
}

// cutParameter cuts the first parameter off s, which starts where a type, a disposition or a
// parameter has ended. It returns the zero parameter for the semicolon at an end, which some
// clients send. The rest is empty if nothing is left.
func cutParameter(s string) (p parameter, rest string, err error) {
	s = strings.TrimLeft(s, blanks)
	if s == "" {
		return p, "", nil
	}
	if s[0] != ';' {
		return p, "", errSemicolon
	}
	if s = strings.TrimLeft(s[1:], blanks); s == "" {
		return p, "", nil
	}
	n := tokenSize(s)
	if n == 0 || n == len(s) || s[n] != '=' {
		return p, "", errParameter
	}
	p.name, s = s[:n], s[n+1:]
	if s != "" && s[0] == '"' {
		p.value, rest, err = cutQuoted(s[1:])
		return p, rest, err
	}
	if n = tokenSize(s); n == 0 {
		return p, "", errParameter
	}
	p.value = s[:n]
	return p, s[n:], nil
}

// tokenSize returns how many bytes of s are a token (RFC 9110, 5.6.2).
func tokenSize(s string) int {
	for i := range len(s) {
		if !header.IsTokenByte(s[i]) {
			return i
		}
	}
	return len(s)
}

// cutQuoted cuts a quoted value off s, which starts behind the first quote. A backslash escapes a
// quote or a backslash only. RFC 2045 would have it escape any byte, but browsers escape nothing:
// to them a backslash is a byte of the name. Go's mime/multipart.Writer, old Firefox and curl with
// --form-escape escape these two.
func cutQuoted(s string) (value, rest string, err error) {
	i := strings.IndexAny(s, `"\`)
	if i >= 0 && s[i] == '"' {
		return s[:i], s[i+1:], nil
	}
	var b strings.Builder
	for ; i >= 0; i = strings.IndexAny(s, `"\`) {
		b.WriteString(s[:i])
		if s[i] == '"' {
			return b.String(), s[i+1:], nil
		}
		if s = s[i:]; len(s) > 1 && (s[1] == '"' || s[1] == '\\') {
			s = s[1:]
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return "", "", errQuote
}
