package gateway

import (
	"iter"
	"strings"

	"example.com/gateway/internal/header"
)

// Headers is the list of a response's headers: (name, value) pairs in order, with duplicates
// allowed (R67). Names are compared without regard to case (R71). Values are raw bytes. No method
// changes its receiver, and nobody writes to a list that was handed over, so that a list in a
// package variable is safe to use for every request.
type Headers [][2]string

// Get returns the first value of the header with the given name, or "".
func (h Headers) Get(name string) string {
	for _, field := range h {
		if strings.EqualFold(field[0], name) {
			return field[1]
		}
	}
	return ""
}

// Values walks all values of the headers with the given name, in order.
func (h Headers) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, field := range h {
			if strings.EqualFold(field[0], name) && !yield(field[1]) {
				return
			}
		}
	}
}

// With returns a list in which the header has that one value: in the place of the first of that
// name, or at the end.
func (h Headers) With(name, value string) Headers {
	list := make(Headers, 0, len(h)+1)
	set := false
	for _, field := range h {
		if strings.EqualFold(field[0], name) {
			if set {
				continue
			}
			set = true
			field = [2]string{name, value}
		}
		list = append(list, field)
	}
	if !set {
		list = append(list, [2]string{name, value})
	}
	return list
}

// Append returns a list with the header at its end, beside others of that name. It is http.Header's
// Add, but for a list that stays as it is: only the result has the new header.
func (h Headers) Append(name, value string) Headers {
	list := make(Headers, 0, len(h)+1)
	return append(append(list, h...), [2]string{name, value})
}

// Without returns a list that has no header of that name.
func (h Headers) Without(name string) Headers {
	list := make(Headers, 0, len(h))
	for _, field := range h {
		if !strings.EqualFold(field[0], name) {
			list = append(list, field)
		}
	}
	return list
}

// All walks the pairs in order.
func (h Headers) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, field := range h {
			if !yield(field[0], field[1]) {
				return
			}
		}
	}
}

// check returns the declared Content-Length, or -1, or an error wrapping ErrHeader or
// ErrContentLength. It refuses, and never rewrites: a value that is silently changed hides the hole
// that the value came through.
func (h Headers) check() (length int64, err error) {
	length = -1
	var seen header.Kind
	refuse := func(kind error, rule, detail string) (int64, error) { return -1, newFault(rule, kind, detail) }
	for i := range h {
		name, value := h[i][0], h[i][1]
		if !header.IsToken(name) { // R68: "each name a valid HTTP field-name"
			return refuse(ErrHeader, "R68", "name "+header.Quote(name)+" is not a token")
		}
		if header.HasControl(value, true) { // but a tab, which HTTP allows
			return refuse(ErrHeader, "R69", "value "+header.Quote(value)+" of "+name+" has a control character")
		}
		kind := header.KindOf(name)
		switch {
		case kind == header.Ordinary:
			continue
		case kind == header.HopByHop: // R72, R91, R117
			return refuse(ErrHeader, "R72", name+" is hop-by-hop, it belongs to the server")
		case kind == header.Status: // in a CGI response it would override the status line
			return refuse(ErrHeader, "C46", name+" is set by the first argument of start")
		case seen&kind != 0 && kind == header.ContentLength: // repeated lengths are how requests are smuggled, also if equal
			return refuse(ErrContentLength, "C46", name+" is there twice")
		case seen&kind != 0:
			return refuse(ErrHeader, "C46", name+" is there twice")
		}
		seen |= kind
		if kind == header.ContentLength {
			n, ok := header.ParseLength(value)
			if !ok {
				return refuse(ErrContentLength, "C46", name+" is "+header.Quote(value))
			}
			length = n
		}
	}
	return length, nil
}
