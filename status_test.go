package gateway_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// R65, R66. The bad strings of wsgiref's tests are among these.
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
		"", "2", "200", "200 ", "200  OK", "200 OK ", "200 \tOK", "200 OK\t", "200\tOK", "200OK", " 200 OK", "2000 OK",
		"20 OK",
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

// start takes the Status of every code from 200 to 999, and of no other.
func TestStatusOfEveryCode(t *testing.T) {
	t.Parallel()
	// net/http has a name of an older RFC for these, or a name that is not registered.
	other := map[int]string{
		413: "Content Too Large",
		414: "URI Too Long",
		416: "Range Not Satisfiable",
		422: "Unprocessable Content",
		418: "Client Error", // "(Unused)" in the registry
		510: "Server Error", // "Not Extended (OBSOLETED)"
	}
	classes := []string{"Unknown", "Informational", "Successful", "Redirection", "Client Error", "Server Error"}
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
		if want == "" && !slices.Contains(classes, name) {
			t.Errorf("Status(%d) is %q, which net/http does not know", code, name)
		}
		var refusal error
		if code < 200 || code > 999 {
			refusal = gateway.ErrStatus
		}
		if err := startWith(t, status, nil); !matches(err, refusal) {
			t.Errorf("start(Status(%d)): %v, want %v", code, err, refusal)
		}
	}
	for code, want := range map[int]string{299: "299 Successful", 399: "399 Redirection", 499: "499 Client Error",
		599: "599 Server Error", 0: "0 Unknown", 199: "199 Informational"} {
		if got := gateway.Status(code); got != want {
			t.Errorf("Status(%d) is %q, want %q", code, got, want)
		}
	}
}
