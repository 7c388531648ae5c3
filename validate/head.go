package validate

import (
	"slices"
	"strconv"
	"strings"

	"example.com/gateway"
)

// A head is what the lint needs of a status and headers.
type head struct {
	length  int64 // Content-Length, or -1
	code    int16
	hasType bool // there is a Content-Type
}

func (h head) bodiless() bool { return h.code == 204 || h.code == 304 }

// A good is a head in which nothing was found. Most applications have few, and some only one: to compare costs a tenth of a check.
type good struct {
	status  string
	headers gateway.Headers
	head    head
}

// maxGood bounds what is compared with.
const maxGood = 8

// knownHead is checkHead, but for a head that is the last good one.
func (r *request) knownHead(status string, headers gateway.Headers) (g *good, refusable string) {
	l := r.lint
	if g := l.good.Load(); g != nil && g.status == status && slices.Equal(g.headers, headers) {
		return g, ""
	}
	h, refusable, found := r.checkHead(status, headers)
	g = &good{status, slices.Clone(headers), h}
	if !found && r.thorough && len(headers) <= maxGood {
		g.status = strings.Clone(status)
		l.good.Store(g)
	}
	return g, refusable
}

// checkHead checks a status and headers. refusable is the rule by which a server refuses them; "" if there is none.
//
// Code points above U+00FF (R105) have no meaning for the raw bytes that a Go string has, and pass.
func (r *request) checkHead(status string, headers gateway.Headers) (h head, refusable string, found bool) {
	h.length = -1
	find := func(rule, seen string) {
		found = true
		r.find(inside, rule, seen)
	}
	refuse := func(rule, seen string) {
		find(rule, seen)
		if refusable != "R73" {
			refusable = "R74"
		}
		if rule == "R72" || rule == "R91" {
			refusable = "R73"
		}
	}
	if rule, seen := checkStatus(status); rule != "" {
		refuse(rule, "the status "+quote(status)+" "+seen)
	} else {
		h.code = int16(status[0]-'0')*100 + int16(status[1]-'0')*10 + int16(status[2]-'0')
	}
	lengths, types, locations := 0, 0, 0
	var buf [19]byte // as long as the longest of the names that are special
	for i := range headers {
		name, value := headers[i][0], headers[i][1]
		if !isToken(name) {
			refuse("R68", "the name "+quote(name)+" is not a token")
			continue
		}
		if c := name[len(name)-1]; c == '-' || c == '_' {
			// PEP 3333: "without a trailing colon or other punctuation". It is a token all the same.
			find("R68", "the name "+quote(name)+" ends with punctuation")
		}
		if hasControl(value, true) {
			refuse("R69", "the value "+quote(value)+" of "+name+" has a control character")
		}
		switch string(lowerCase(name, buf[:0])) {
		case "transfer-encoding":
			refuse("R91", name+" is the server's to set")
		case "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "trailers", "upgrade":
			refuse("R72", name+" is hop-by-hop")
		case "status":
			refuse("C46", "Status is a header, and the status is the first argument of start")
		case "content-length":
			lengths++
			n, ok := parseLength(value)
			if !ok {
				refuse("D3", "Content-Length is "+quote(value))
				continue
			}
			h.length = n
		case "content-type":
			types++
			h.hasType = h.hasType || value != "" // C47: an empty value is as good as none
		case "location":
			locations++
			if isRelative(value) {
				find("C49", "Location is "+quote(value))
			}
		}
	}
	switch {
	case lengths > 1:
		refuse("D3", "Content-Length is there twice")
	case types > 1:
		refuse("C46", "Content-Type is there twice")
	case locations > 1:
		refuse("C46", "Location is there twice")
	}
	if h.bodiless() && types > 0 {
		find("C48", "a status of "+strconv.Itoa(int(h.code))+" has no body, and so no Content-Type")
	}
	if h.code == 204 && lengths > 0 {
		find("D1", "a status of 204 with a Content-Length")
	}
	return h, refusable, found
}

// checkStatus returns the rule that a status breaks, and how; or "".
func checkStatus(s string) (rule, seen string) {
	switch {
	case hasControl(s, false):
		return "R66", "has a control character"
	case len(s) < 4 || !isDigits(s[:3]) || s[3] != ' ':
		return "R65", "is not three digits and a space"
	case s[0] < '2':
		return "R65", "is below 200"
	case s[4:] == "" || strings.TrimSpace(s[4:]) != s[4:]:
		return "R65", "has no reason after one space, or one with space around it"
	}
	return "", ""
}

// isRelative reports that a Location is neither an absolute URI nor a path from the root.
func isRelative(location string) bool {
	if location == "" || location[0] == '/' {
		return false
	}
	i := strings.IndexAny(location, ":/?#")
	return i <= 0 || location[i] != ':'
}

// lowerCase appends s to buf in lower case, if there is room.
func lowerCase(s string, buf []byte) []byte {
	if len(s) > cap(buf) {
		return nil
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return buf
}

// parseLength accepts 1*DIGIT (RFC 9110, 8.6) up to the largest int64.
func parseLength(s string) (n int64, ok bool) {
	if !isDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func isLength(s string) bool {
	_, ok := parseLength(s)
	return ok
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// tokenBytes are those of a token (RFC 9110, 5.6.2).
var tokenBytes = func() (is [256]bool) {
	for c := range is {
		is[c] = '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return is
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

func hasControl(s string, tabAllowed bool) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && !(tabAllowed && c == '\t') || c == 0x7F {
			return true
		}
	}
	return false
}

// quote quotes a value, or the beginning of a long one.
func quote(s string) string {
	if len(s) > 100 {
		return strconv.Quote(s[:100]) + "..."
	}
	return strconv.Quote(s)
}

func quoteAll(headers gateway.Headers) string {
	var b strings.Builder
	for name, value := range headers.All() {
		if b.Len() > 200 {
			return b.String() + ", ..."
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(name + ": " + value))
	}
	return b.String()
}

// textOf is an error in a finding, which is one line.
func textOf(err error) string {
	if err == nil {
		return "no error"
	}
	return quote(err.Error())
}
