package header

import (
	"strconv"
	"strings"
)

// LogEntry returns the line for the log about a request, such as "gateway: GET /: why". The line has
// no line break and no command to a terminal, whatever the client has sent. What the request does
// not have is left out.
func LogEntry(method, path, why string) string {
	request := strings.TrimSpace(OneLine(method, 32) + " " + OneLine(path, 256))
	if request != "" {
		request += ": "
	}
	return "gateway: " + request + OneLine(strings.TrimPrefix(why, "gateway: "), 4096) + "\n"
}

// OneLine returns at most max bytes of s, with what could forge a line of a log, or command a
// terminal, escaped as in a Go string.
func OneLine(s string, max int) string {
	if len(s) > max {
		s = s[:max] + "..."
	}
	quoted := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\t`, "\t").Replace(quoted[1 : len(quoted)-1])
}
