package validate

import (
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// A head is what the lint needs to know of a status and headers.
type head struct {
	code    int
	length  int64 // Content-Length, or -1
	hasType bool  // there is a Content-Type
}

// isBodiless reports whether the response has no body, whatever the method.
func (h head) isBodiless() bool { return h.code == 204 || h.code == 205 || h.code == 304 }

// checkHead checks a status and headers. refusal is the rule by which the server must refuse them,
// or "". flow.mu is held.
//
// It does not look for code points above U+00FF, which PEP 3333 forbids (R105): a Go string has
// bytes.
func (r *request) checkHead(status string, headers gateway.Headers) (h head, refusal string) {
	h.length = -1
	refuse := func(rule, format string, args ...any) {
		r.find(inside, rule, format, args...)
		if refusal == "" {
			refusal = "R74"
		}
	}
	if rule, seen := checkStatus(status); rule != "" {
		refuse(rule, "the status %s %s", header.Quote(status), seen)
	} else {
		h.code, _ = strconv.Atoi(status[:3])
	}
	var there header.Kind // the kinds of the headers so far
	for name, value := range headers.All() {
		if !header.IsToken(name) {
			refuse("R68", "the name %s is not a token", header.Quote(name))
			continue
		}
		if c := name[len(name)-1]; c == '-' || c == '_' {
			// PEP 3333: "without a trailing colon or other punctuation". The server need not refuse
			// the name.
			r.find(inside, "R68", "the name %s ends with punctuation", header.Quote(name))
		}
		if header.HasControl(value, true) {
			refuse("R69", "the value %s of %s has a control character", header.Quote(value), name)
		}
		kind := header.KindOf(name)
		isRepeated := there&kind != 0
		there |= kind
		switch kind {
		case header.HopByHop:
			if strings.EqualFold(name, "Transfer-Encoding") {
				refuse("R91", "%s is the server's to set", name)
			} else {
				refuse("R72", "%s is hop-by-hop", name)
			}
			refusal = "R73"
		case header.Status:
			refuse("C46", "Status is a header, and the status is the first argument of start")
		case header.ContentLength:
			n, ok := header.ParseLength(value)
			switch {
			case !ok:
				refuse("D3", "Content-Length is %s", header.Quote(value))
			case isRepeated:
				refuse("D3", "Content-Length is there twice")
			}
			if ok {
				h.length = n
			}
		case header.ContentType:
			if isRepeated {
				refuse("C46", "Content-Type is there twice")
			}
			h.hasType = h.hasType || value != "" // C47: an empty value is no type
		case header.Location:
			if isRepeated {
				refuse("C46", "Location is there twice")
			}
			if isRelative(value) {
				r.find(inside, "C49", "Location is %s", header.Quote(value))
			}
		}
	}
	if h.isBodiless() && there&header.ContentType != 0 {
		r.find(inside, "C48", "a status of %d has no body, and so no Content-Type", h.code)
	}
	switch {
	case h.code == 204 && there&header.ContentLength != 0:
		r.find(inside, "D1", "a status of 204 with a Content-Length")
	case h.code == 205 && h.length > 0:
		r.find(inside, "D1", "a status of 205 with a Content-Length of %d", h.length)
	}
	return h, refusal
}

// checkStatus returns the rule that a status breaks, or "", and how the status breaks it.
func checkStatus(s string) (rule, seen string) {
	switch {
	case header.HasControl(s, false):
		return "R66", "has a control character"
	case len(s) < 4 || !isDigits(s[:3]) || s[3] != ' ':
		return "R65", "is not three digits and a space"
	case s[0] < '2':
		return "R65", "is below 200"
	case s[4:] == "" || strings.TrimSpace(s[4:]) != s[4:]:
		return "R65", "has no reason after one space, or a reason with space around it"
	}
	return "", ""
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isRelative reports whether a Location is neither an absolute URI nor a path from the root.
func isRelative(location string) bool {
	if location == "" || location[0] == '/' {
		return false
	}
	i := strings.IndexAny(location, ":/?#")
	return i <= 0 || location[i] != ':'
}
