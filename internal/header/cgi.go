package header

// The head of a CGI response (RFC 3875, 6), which FastCGI and SCGI have too.

// CGISize returns how many bytes AppendCGI appends.
func CGISize(status string, fields [][2]string) int {
	n := len("Status: \r\n\r\n") + len(status)
	for _, field := range fields {
		n += len(field[0]) + len(field[1]) + len(": \r\n")
	}
	return n
}

// AppendCGI appends a head to b, with the empty line at its end.
//
// The fields of CGI come first (C57); the others keep their order. The Status is the very first
// line, as BusyBox wants it. With locationFirst it comes right after a Location: HAProxy, which
// speaks only FastCGI, turns any status into a 302 when a Location follows it.
func AppendCGI(b []byte, status string, fields [][2]string, locationFirst bool) []byte {
	if locationFirst {
		b = appendKind(b, fields, Location)
		b = appendField(b, "Status", status)
		b = appendKind(b, fields, ContentType)
	} else {
		b = appendField(b, "Status", status)
		b = appendKind(b, fields, Location|ContentType)
	}
	for i := range fields {
		if KindOf(fields[i][0])&(Location|ContentType) == 0 {
			b = appendField(b, fields[i][0], fields[i][1])
		}
	}
	return append(b, "\r\n"...)
}

func appendKind(b []byte, fields [][2]string, kinds Kind) []byte {
	for i := range fields {
		if KindOf(fields[i][0])&kinds != 0 {
			b = appendField(b, fields[i][0], fields[i][1])
		}
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
