package middleware

import (
	"net/netip"
	"strconv"
	"strings"

	"example.com/gateway/internal/header"
)

// The values that proxies write into Forwarded (RFC 7239) and into the X-Forwarded headers. Each
// function takes time that is linear in the length of its argument.

// fromEnd returns the n-th value of a list, counted from the end, and whether the list has as many.
// An empty value counts: a proxy that has written nothing must not make the client's word count.
//
// It looks from the end, and no further than it must. So whatever the client has sent, such as a
// quotation mark that nothing closes, does not change what the proxies have appended. A comma in a
// quoted string separates nothing if there are such strings.
func fromEnd(list string, n int, hasQuotes bool) (value string, found bool) {
	end, isQuoted := len(list), false
	for i := end - 1; i >= 0; i-- {
		switch c := list[i]; {
		case c == '"' && hasQuotes && (!isQuoted || !isEscaped(list[:i])):
			isQuoted = !isQuoted
		case c == ',' && !isQuoted:
			if n--; n == 0 {
				return trim(list[i+1 : end]), true
			}
			end = i
		}
	}
	return trim(list[:end]), n == 1
}

// isEscaped reports whether what follows s, in a quoted string, has a backslash of its own.
func isEscaped(s string) bool {
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

func trim(s string) string { return strings.Trim(s, " \t") }

// parseElement returns what an element of Forwarded says (RFC 7239, 4). A parameter that is missing
// is "". A parameter must not come twice.
func parseElement(s string) (client, scheme, host string, ok bool) {
	seen := make(map[string]bool)
	for s != "" {
		if s[0] == ';' {
			s = trim(s[1:])
			continue
		}
		name, rest, _ := strings.Cut(s, "=")
		value, rest, ok := cutValue(rest)
		if !header.IsToken(name) || !ok || rest != "" && rest[0] != ';' {
			return "", "", "", false
		}
		s = rest
		name = strings.ToLower(name)
		if seen[name] {
			return "", "", "", false
		}
		seen[name] = true
		switch name {
		case "for":
			client = value
		case "proto":
			scheme = value
		case "host":
			host = value
		}
	}
	return client, scheme, host, true
}

// cutValue cuts a token or a quoted string (RFC 9110, 5.6.4) off the front of s. Neither is empty.
func cutValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimRight(s[:end], " \t")
		return value, s[end:], header.IsToken(value)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			return b.String(), trim(s[i+1:]), b.Len() > 0
		case c == '\\' && i+1 < len(s):
			i++
			c = s[i]
		}
		if c < ' ' || c == 0x7F {
			return "", "", false
		}
		b.WriteByte(c)
	}
	return "", "", false
}

// parseNode returns the address that a proxy has for its client, as REMOTE_ADDR has it, and the
// port behind it, or "". An IPv6 address with a port is in brackets.
func parseNode(s string) (addr, port string, ok bool) {
	inner, isBracketed := strings.CutPrefix(s, "[")
	hasPort := false
	if isBracketed {
		s, port, ok = strings.Cut(inner, "]")
		if port, hasPort = strings.CutPrefix(port, ":"); !ok || !hasPort && port != "" {
			return "", "", false
		}
	} else if strings.Count(s, ":") == 1 {
		s, port, hasPort = strings.Cut(s, ":")
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" || isBracketed && ip.Is4() || hasPort && !isPort(port) {
		return "", "", false
	}
	return ip.Unmap().String(), port, true
}

// splitHost splits a host (RFC 3986, 3.2.2) into its name, as SERVER_NAME has it, and its port, ""
// if there is none. A name with percent-encoding, or with punctuation that separates things
// elsewhere, is not accepted: no name in the DNS has any.
func splitHost(s string) (name, port string, ok bool) {
	name = s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		if name, port = s[:i], s[i+1:]; !isPort(port) {
			return "", "", false
		}
	}
	if inner, found := strings.CutPrefix(name, "["); found {
		inner, isClosed := strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return name, port, isClosed && err == nil && ip.Is6() && ip.Zone() == ""
	}
	const refused = ":[]%!$&'()*+,;="
	return name, port, name != "" && header.IsHost(name) && !strings.ContainsAny(name, refused)
}

// isPort reports whether s is the number of a port, in its shortest form.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// cleanPrefix returns the path at which a proxy has mounted the server, "" for the root, and
// without the slash that it may end with. Two slashes at its start would be another host in a link.
func cleanPrefix(s string) (prefix string, ok bool) {
	if s == "" || s[0] != '/' {
		return "", false
	}
	if prefix = strings.TrimSuffix(s, "/"); prefix == "" {
		return "", true
	}
	for segment := range strings.SplitSeq(prefix[1:], "/") {
		if segment == "" || segment == "." || segment == ".." || !isSegment(segment) {
			return "", false
		}
	}
	return prefix, true
}

// isSegment reports whether all bytes of s may be in a segment of a path as they are (RFC 3986,
// 3.3).
func isSegment(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~!$&'()*+,;=:@", c) < 0:
			return false
		}
	}
	return true
}
