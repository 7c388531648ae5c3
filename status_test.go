package gateway_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// startWith returns what start says to a status and headers, and fails the test if an application that ignores an error
// gets anything but the error page.
func startWith(t *testing.T, status string, headers gateway.Headers) error {
	t.Helper()
	var s script
	var err error
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err = start(status, headers, nil)
		return gateway.Text("a"), nil
	})
	if err == nil {
		return nil
	}
	if s.rec.events[0] != pageHead || !errors.Is(s.err, err) || len(s.log) != 1 {
		t.Errorf("status %q, headers %q: sent %q, returned %v, reported %q", status, headers, s.rec.events, s.err, s.log)
	}
	for _, entry := range s.log {
		if line := strings.TrimSuffix(entry, "\n"); hasControl(line) {
			t.Errorf("status %q, headers %q: control characters in the log: %q", status, headers, line)
		}
	}
	return err
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F })
}

// TestStatusStrings is R65 and R66, with the bad ones of wsgiref's tests (T6, T37) among them.
func TestStatusStrings(t *testing.T) {
	t.Parallel()
	for _, status := range []string{
		"200 OK", "404 Not Found", "200 a", "299 Made up", "418 I'm a teapot", "999 Odd",
		"200 Caf\xe9", "200 Café", "200 !", "200 a  b",
	} {
		if err := startWith(t, status, nil); err != nil {
			t.Errorf("%q is refused: %v", status, err)
		}
	}
	for _, status := range []string{
		"", "2", "200", "200 ", "200  OK", "200 OK ", "200 \tOK", "200 OK\t", "200\tOK", "200OK", " 200 OK", "2000 OK", "20 OK",
		"20X OK", "-20 OK", "+20 OK", "0x1 OK", "2 0 OK", "２００ OK", "OK", "OK 200", "000 x", "099 x",
		"200 OK\r\nX: y", "200 OK\n", "200 OK\r", "200 O\x00K", "200 O\tK", "200 O\x7fK", "200 O\x1bK", "200\nOK", "200\r\n",
		"100 Continue", "101 Switching Protocols", "103 Early Hints", "199 x",
		strings.Repeat("x", 1<<20), "200 " + strings.Repeat("x", 1<<20) + "\n",
	} {
		err := startWith(t, status, nil)
		if !errors.Is(err, gateway.ErrStatus) {
			t.Errorf("%.40q: %v, want ErrStatus", status, err)
		} else if len(err.Error()) > 500 {
			t.Errorf("%.40q: an error of %d bytes", status, len(err.Error()))
		}
	}
}

// TestStatusOfEveryCode: every code that a response can have gives a string that start takes, and no other.
func TestStatusOfEveryCode(t *testing.T) {
	t.Parallel()
	// Where net/http has the name of an older RFC, or one that is not registered.
	other := map[int]string{
		413: "Content Too Large",
		414: "URI Too Long",
		416: "Range Not Satisfiable",
		422: "Unprocessable Content",
		418: "Client Error", // "(Unused)" in the registry
		510: "Server Error", // "Not Extended (OBSOLETED)"
	}
	for code := -1; code <= 1100; code++ {
		status := gateway.Status(code)
		number, name, _ := strings.Cut(status, " ")
		if number != strconv.Itoa(code) || name == "" {
			t.Errorf("Status(%d) is %q", code, status)
		}
		want := http.StatusText(code)
		if n, ok := other[code]; ok {
			want = n
		}
		if want != "" && name != want {
			t.Errorf("Status(%d) is %q, want %q", code, name, want)
		}
		if want == "" && !strings.Contains(" Unknown Informational Successful Redirection Client Error Server Error ", " "+name+" ") {
			t.Errorf("Status(%d) is %q, which net/http does not know", code, name)
		}
		err := startWith(t, status, nil)
		if possible := 200 <= code && code <= 999; (err == nil) != possible || !possible && !errors.Is(err, gateway.ErrStatus) {
			t.Errorf("start(Status(%d)): %v", code, err)
		}
	}
	for code, want := range map[int]string{299: "299 Successful", 399: "399 Redirection", 499: "499 Client Error",
		599: "599 Server Error", 0: "0 Unknown", 199: "199 Informational"} {
		if got := gateway.Status(code); got != want {
			t.Errorf("Status(%d) is %q, want %q", code, got, want)
		}
	}
}
