package validate_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wsgirefChecks has each check of wsgiref.validate with its number in docs/suites.md, what the lint
// does instead, and the case of TestEachMistakeIsFoundAndNothingElse or
// TestBodyThatIsNeverClosedIsFound that shows it. If there is no case, the check means nothing in
// Go or is left out, and the text says why.
var wsgirefChecks = []struct{ check, here, test string }{
	{"V1", "the application is called with two arguments: the signature of Call; R12 for nil ones", "nil start"},
	{"V2", "no keywords: Go has none", ""},
	{"V3", "start is called with two or three arguments: the type StartResponse", ""},
	{"V4", "no keywords: Go has none", ""},
	{"V5", "environ is a dict: the struct Environ; R12 for nil", "nil Environ"},
	{"V6", "required keys: R28, R32, R33, R44, R45; the rest are fields of Environ", "no variables"},
	{"V7", "no HTTP_CONTENT_TYPE or HTTP_CONTENT_LENGTH: D6, and HTTP_PROXY with them", "HTTP_CONTENT_LENGTH"},
	{"V8", "warns without QUERY_STRING: a missing one reads as the empty one (R27)", ""},
	{"V9", "variables are strings: the type of Vars", ""},
	{"V10", "wsgi.version is a tuple: Environ.All makes it", ""},
	{"V11", "URLScheme is http or https: R43", "unusual scheme"},
	{"V12", "warns of unknown methods: any token is a method (RFC 9110, 9.1); R28 for what is none", "method that is no token"},
	{"V13", "SCRIPT_NAME is empty or begins with a slash: R29", "SCRIPT_NAME without a slash"},
	{"V14", "PATH_INFO is empty or begins with a slash: R30", "PATH_INFO without a slash"},
	{"V15", "CONTENT_LENGTH is a number: C10", "negative CONTENT_LENGTH"},
	{"V16", "PATH_INFO is there if SCRIPT_NAME is empty: a missing one reads as the empty one (R27), and OPTIONS * has neither", ""},
	{"V17", "SCRIPT_NAME is not a slash: R29, unless Environ.ShiftPath made it of an empty segment", "SCRIPT_NAME that is a slash"},
	{"V18", "Input has its methods: it is an io.Reader", ""},
	{"V19", "Errors has its methods: it is an io.Writer", ""},
	{"V20", "read has one argument: the signature of Read", ""},
	{"V21", "readline has at most one argument: there is none", ""},
	{"V22", "reads return bytes: the signature of Read; R54 for counts that cannot be", "Read returns more than it was given"},
	{"V23", "Input is not closed: R64", "closes Input"},
	{"V24", "Errors is given strings: any bytes will do (R47)", ""},
	{"V25", "Errors is not closed: R64", "closes Errors"},
	{"V26", "the status is a string: the type of start", ""},
	{"V27", "its first word has three characters: R65", "status without a space"},
	{"V28", "which are a number: R65", "status that is no number"},
	{"V29", "of at least 100: R65, which wants 200", "status below 100"},
	{"V30", "warns unless a space follows: R65", "status without a reason"},
	{"V31", "headers are a list: the type Headers", ""},
	{"V32", "of tuples: the type Headers", ""},
	{"V33", "of two: the type Headers", ""},
	{"V34", "of strings: the type Headers", ""},
	{"V35", "no header Status: C46", "Status as a header"},
	{"V36", "no line break or colon in a name: R68", "name with a colon"},
	{"V37", "a name begins with a letter: RFC 9110 wants a token, which may begin with a digit; R68 for what is none", "empty name"},
	{"V38", "a name does not end with - or _: R68", "name that ends with a dash"},
	{"V39", "no control character in a value: R69, HTAB excepted", "value with a NUL"},
	{"V40", "Content-Type unless 204 or 304: C48, once there is a body", "body without a Content-Type"},
	{"V41", "no Content-Type with 204 or 304: C48", "204 with a Content-Type"},
	{"V42", "exc_info is None or a tuple: the type of cause", ""},
	{"V43", "write is given bytes: the type of the writer", ""},
	{"V44", "the result is not None: R15 and R100", "no body and no error"},
	{"V45", "the result is not a string: the type Body", ""},
	{"V46", "blocks are bytes: the type of Blocks", ""},
	{"V47", "start was called by the first block: R23, for the first that is not empty", "block before start"},
	{"V48", "no iteration after close: R21", "ranges after Close"},
	{"V49", "close was called before the garbage collector came: R21", "a body that is never closed"},
}

// wsgirefMisses has the rules of PEP 3333 that wsgiref.validate does not check.
var wsgirefMisses = []struct{ missed, test string }{
	{"hop-by-hop headers (R72)", "hop-by-hop Connection"},
	{"a second start (R82)", "second start without a cause"},
	{"more than Content-Length (R85, R86)", "longer than its length"},
	{"less than Content-Length (R87)", "shorter than its length"},
	{"write inside the iteration (R102)", "writer in the body"},
	{"the block rule of middleware (R94, R95)", "holds a block until the next comes"},
	{"code points above U+00FF (R105)", ""}, // a Go string has bytes
	{"control characters in the status (R66)", "status with a line end"},
	{"the rules of file_wrapper", ""}, // Reader is a Body of the library, and keeps them
	{"environ still valid on the way to an inner application", "breaks the path"},
	// An application need not know of HEAD, and a middleware that measures may range the whole
	// body: docs/suites.md.
	{"bodies in answer to HEAD", ""},
	{"reads past CONTENT_LENGTH (R56)", "reads on past the end"},
}

func TestEveryCheckOfWsgirefHasItsPlace(t *testing.T) {
	t.Parallel()
	cases := []string{"a body that is never closed"} // TestBodyThatIsNeverClosedIsFound
	for _, c := range slices.Concat(wrongApplications, wrongServers, wrongMiddleware) {
		cases = append(cases, c.name)
	}
	check := func(name, test string) {
		if test != "" && !slices.Contains(cases, test) {
			t.Errorf("%s: no case is called %q", name, test)
		}
	}
	if len(wsgirefChecks) != 49 {
		t.Errorf("%d checks, wsgiref.validate has 49", len(wsgirefChecks))
	}
	for i, c := range wsgirefChecks {
		if want := "V" + strconv.Itoa(i+1); c.check != want {
			t.Errorf("row %d is %s, want %s", i+1, c.check, want)
		}
		if c.here == "" {
			t.Errorf("%s has no text", c.check)
		}
		check(c.check, c.test)
	}
	for _, c := range wsgirefMisses {
		check(c.missed, c.test)
	}
	for _, c := range wsgirefChecks { // the case must find a rule that the text names
		if c.test == "" || c.check == "V49" {
			continue
		}
		i := slices.IndexFunc(slices.Concat(wrongApplications, wrongServers, wrongMiddleware), func(w wrong) bool { return w.name == c.test })
		found := slices.Concat(wrongApplications, wrongServers, wrongMiddleware)[i].want
		if !slices.ContainsFunc(found, func(f string) bool { rule, _, _ := strings.Cut(f, " "); return strings.Contains(c.here, rule) }) {
			t.Errorf("%s: %q finds %q", c.check, c.test, found)
		}
	}
}
