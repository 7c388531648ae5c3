package request

import (
	"strings"
	"sync"

	"example.com/gateway/internal/header"
)

// VariableOf returns the variable of a header, in any case: "HTTP_ACCEPT" for "Accept",
// "CONTENT_TYPE" for "Content-Type".
//
// It returns "" for a header that must not become a variable: a name that is not a token, a name
// with a "_", since "X_User" would pass for "X-User", Proxy, which libraries take for configuration
// (httpoxy, CVE-2016-5385), and Transfer-Encoding, which the server has decoded.
func VariableOf(name string) string {
	if variable, found := variables[name]; found {
		return variable
	}
	if !header.IsToken(name) || strings.IndexByte(name, '_') >= 0 {
		return ""
	}
	var buf [64]byte
	variable := string(header.AppendVariable(buf[:0], name))
	switch variable { // in another case than the table has
	case "HTTP_PROXY", "HTTP_TRANSFER_ENCODING":
		return ""
	}
	return variable
}

// HeaderOf returns the canonical name of the header that a variable stands for, the inverse of
// [VariableOf]: "Accept" for "HTTP_ACCEPT", "Content-Type" for "CONTENT_TYPE". It returns "" for a
// variable that is no header's.
func HeaderOf(variable string) string {
	if name, found := namesOf()[variable]; found {
		return name
	}
	if !strings.HasPrefix(variable, "HTTP_") || len(variable) == len("HTTP_") || kindOf(variable) != headersName {
		return ""
	}
	switch variable {
	case "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE":
		return ""
	}
	b := []byte(variable[len("HTTP_"):])
	for i, first := 0, true; i < len(b); i++ {
		switch c := b[i]; {
		case c == '_':
			b[i], first = '-', true
			continue
		case !first && 'A' <= c && c <= 'Z':
			b[i] += 'a' - 'A'
		}
		first = false
	}
	return string(b)
}

// What the name of an HTTP_ variable may be.
const (
	headersName  = iota // a header's: upper case, with "_" for "-" (C27)
	anothersName        // one that would pass for a header's, such as HTTP_X-User
	notAName            // none that a client can send
)

// kindOf tells the names of HTTP_ variables apart. In net/http/cgi HTTP_X-USER rivals HTTP_X_USER,
// and the order of a map decides which of the two counts.
func kindOf(variable string) (kind int) {
	for i := range len(variable) {
		switch c := variable[i]; {
		case 'A' <= c && c <= 'Z', c == '_', '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z', c == '-':
			kind = anothersName
		case !header.IsTokenByte(c):
			return notAName
		}
	}
	return kind
}

// variables has the headers that many requests have, so that their variables need not be made.
var variables = map[string]string{
	"Accept":                         "HTTP_ACCEPT",
	"Accept-Encoding":                "HTTP_ACCEPT_ENCODING",
	"Accept-Language":                "HTTP_ACCEPT_LANGUAGE",
	"Access-Control-Request-Headers": "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
	"Access-Control-Request-Method":  "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
	"Authorization":                  "HTTP_AUTHORIZATION",
	"Cache-Control":                  "HTTP_CACHE_CONTROL",
	"Connection":                     "HTTP_CONNECTION",
	"Content-Encoding":               "HTTP_CONTENT_ENCODING",
	"Content-Length":                 "CONTENT_LENGTH",
	"Content-Type":                   "CONTENT_TYPE",
	"Cookie":                         "HTTP_COOKIE",
	"Dnt":                            "HTTP_DNT",
	"Expect":                         "HTTP_EXPECT",
	"Forwarded":                      "HTTP_FORWARDED",
	"Host":                           "HTTP_HOST",
	"If-Match":                       "HTTP_IF_MATCH",
	"If-Modified-Since":              "HTTP_IF_MODIFIED_SINCE",
	"If-None-Match":                  "HTTP_IF_NONE_MATCH",
	"If-Range":                       "HTTP_IF_RANGE",
	"Origin":                         "HTTP_ORIGIN",
	"Pragma":                         "HTTP_PRAGMA",
	"Priority":                       "HTTP_PRIORITY",
	"Range":                          "HTTP_RANGE",
	"Referer":                        "HTTP_REFERER",
	"Sec-Fetch-Dest":                 "HTTP_SEC_FETCH_DEST",
	"Sec-Fetch-Mode":                 "HTTP_SEC_FETCH_MODE",
	"Sec-Fetch-Site":                 "HTTP_SEC_FETCH_SITE",
	"Sec-Fetch-User":                 "HTTP_SEC_FETCH_USER",
	"Te":                             "HTTP_TE",
	"Upgrade":                        "HTTP_UPGRADE",
	"Upgrade-Insecure-Requests":      "HTTP_UPGRADE_INSECURE_REQUESTS",
	"User-Agent":                     "HTTP_USER_AGENT",
	"Via":                            "HTTP_VIA",
	"X-Forwarded-For":                "HTTP_X_FORWARDED_FOR",
	"X-Forwarded-Host":               "HTTP_X_FORWARDED_HOST",
	"X-Forwarded-Proto":              "HTTP_X_FORWARDED_PROTO",
	"X-Real-Ip":                      "HTTP_X_REAL_IP",
	"X-Requested-With":               "HTTP_X_REQUESTED_WITH",
}

// names are the variables the other way round. HeaderOf makes them when it is first called, so that
// a program which never calls it, such as a CGI program, does not link the table.
var (
	names     map[string]string
	makeNames sync.Once
)

func namesOf() map[string]string {
	makeNames.Do(func() {
		names = make(map[string]string, len(variables))
		for name, variable := range variables {
			names[variable] = name
		}
	})
	return names
}
