package header_test

import (
	"testing"

	"example.com/gateway/internal/header"
)

func TestHostsAndAddressesHaveOneForm(t *testing.T) {
	for _, c := range []struct{ in, host, address string }{
		{"", "", ""},
		{"example.com", "example.com", "example.com"},
		{"example.com:", "example.com", "example.com"},
		{"example.com:8000", "example.com", "example.com"},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:80", "192.0.2.1", "192.0.2.1"},
		{"::1", "[::1]", "::1"},
		{"2001:DB8::ffff:192.0.2.1", "[2001:DB8::ffff:192.0.2.1]", "2001:DB8::ffff:192.0.2.1"},
		{"[::1]", "[::1]", "::1"},
		{"[::1]:80", "[::1]", "::1"},
		{"unix:", "unix", "unix:"},
		{"unix:/run/s", "unix:/run/s", "unix:/run/s"},
		// What is none is left as it is.
		{"fe80::1%eth0", "fe80::1%eth0", "fe80::1%eth0"},
		{"x:y:z", "x:y:z", "x:y:z"},
		{"x:y", "x:y", "x:y"},
		{"[::1", "[::1", "::1"},
		{"[::1]x", "[::1]x", "::1]x"},
		{"[::1]:x", "[::1]:x", "::1]:x"},
	} {
		if host, address := header.HostName(c.in), header.Address(c.in); host != c.host || address != c.address {
			t.Errorf("%q: %q and %q, want %q and %q", c.in, host, address, c.host, c.address)
		}
	}
}

func TestNoVariableIsALineAndMayHaveLines(t *testing.T) {
	for _, name := range []string{"HTTP_X_CERT", "REMOTE_USER", "PATH_INFO", "SSL_CLIENT_CERT",
		"REQUEST_URI", "REDIRECT_URL"} {
		if header.IsLine(name) == header.MayHaveLines(name) {
			t.Errorf("%s: IsLine and MayHaveLines are both %v", name, header.IsLine(name))
		}
	}
}

func TestWhatIsATargetAndAHost(t *testing.T) {
	for _, c := range []struct {
		target, method string
		want           bool
	}{
		{"", "GET", true}, {"/", "GET", true}, {"//a:b", "GET", true}, {"http://a", "GET", true}, {"x+y://a/b", "GET", true},
		{"*", "OPTIONS", true}, {"*", "GET", false}, {"*", "", false}, {"**", "OPTIONS", false}, {"a:b", "GET", false},
		{"a", "GET", false}, {"://a", "GET", false}, {"a/b://c", "GET", false}, {"?a", "GET", false}, {" /", "GET", false},
	} {
		if got := header.IsTarget(c.target, c.method); got != c.want {
			t.Errorf("%s %q: %v", c.method, c.target, got)
		}
	}
	for host, want := range map[string]bool{"": true, "a.example:80": true, "[::1]:80": true, "a_b": true,
		"%41": true, "a b": false,
		"a/b": false, "a?b": false, "a#b": false, "a@b": false, "a\\b": false, "\"": false, "<a>": false,
		"\x00": false, "\x7f": false, "é": false} {
		if got := header.IsHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestTheVariableOfAHeader(t *testing.T) {
	for name, want := range map[string]string{"": "HTTP_", "aZ-9_b": "HTTP_AZ_9_B", "content-TYPE": "CONTENT_TYPE",
		"Content-Length": "CONTENT_LENGTH", "Content-Types": "HTTP_CONTENT_TYPES"} {
		if got := string(header.AppendVariable([]byte("x"), name)); got != "x"+want {
			t.Errorf("%q: %q, want %q behind x", name, got, want)
		}
	}
}
