package host

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// What PHP-FPM 8.2.36, uWSGI 2.0.21 and fcgiwrap 1.1.0 have answered, byte for byte but for the
// paths of files. A server and a client of this module could have the same fault.
var recorded = []struct {
	name   string
	kind   string // which protocol
	method string
	answer string

	status  string
	headers gateway.Headers
	body    string
	log     string // "" is none
	broken  bool
}{
	{"PHP: hello", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00:\x06\x00X-Test: 1\r\nContent-type: text/html; charset=UTF-8\r\n\r\n" +
			"hello\x00\x00\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"200 OK", gateway.Headers{{"X-Test", "1"}, {"Content-type", "text/html; charset=UTF-8"}},
		"hello", "", false},
	{"PHP: a large page", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00A\x07\x00Content-Length: 40000\r\n" +
			"Content-type: text/html; charset=UTF-8\r\n\r\n\x00\x00\x00\x00\x00\x00\x00" +
			"\x01\x06\x00\x01\x9c@\x00\x00" + strings.Repeat("0123456789abcde\n", 2500) +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00nt-",
		"200 OK", gateway.Headers{{"Content-Length", "40000"},
			{"Content-type", "text/html; charset=UTF-8"}},
		strings.Repeat("0123456789abcde\n", 2500), "", false},
	{"PHP: error_log, before and after a flush", "FastCGI", "GET",
		"\x01\x07\x00\x01\x00\x17\x01\x00PHP message: first line\x00" +
			"\x01\x07\x00\x01\x00\x1b\x05\x00; PHP message: second\nthird\x00\x00\x00\x00\x00" +
			"\x01\x06\x00\x01\x00/\x01\x00Content-type: text/html; charset=UTF-8\r\n\r\nhello\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"200 OK", gateway.Headers{{"Content-type", "text/html; charset=UTF-8"}}, "hello",
		"PHP message: first line; PHP message: second\n", false},
	{"PHP: a redirect with cookies", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00u\x03\x00Status: 302 Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" +
			"Location: /other?x=1\r\nContent-type: text/html; charset=UTF-8\r\n\r\n\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"302 Found", gateway.Headers{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"Location",
			"/other?x=1"},
			{"Content-type", "text/html; charset=UTF-8"}}, "", "", false},
	{"PHP: a status without a reason", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00:\x06\x00Status: 418\r\n" +
			"Content-type: text/html; charset=UTF-8\r\n\r\n" +
			"tea\x00\x00\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x008\r\n",
		gateway.Status(418), gateway.Headers{{"Content-type", "text/html; charset=UTF-8"}}, "tea",
		"", false},
	{"PHP: exit(3)", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00-\x03\x00Content-type: text/html; charset=UTF-8\r\n\r\n" +
			"bye\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00: /",
		"200 OK", gateway.Headers{{"Content-type", "text/html; charset=UTF-8"}}, "bye", "", false},
	{"PHP: no such script", "FastCGI", "GET",
		"\x01\x07\x00\x01\x00\x16\x02\x00Primary script unknown\x00\x00" +
			"\x01\x06\x00\x01\x00Q\x07\x00Status: 404 Not Found\r\n" +
			"Content-type: text/html; charset=UTF-8\r\n\r\n" +
			"File not found.\n\x00\x00\x00\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00rac",
		"404 Not Found", gateway.Headers{{"Content-type", "text/html; charset=UTF-8"}},
		"File not found.\n",
		`PHP-FPM finds no file "/srv/www/i.php": if it runs in a container, or in a chroot, ` +
			"Scripts.RemoteRoot",
		false},
	{"PHP: HEAD", "FastCGI", "HEAD",
		"\x01\x06\x00\x01\x005\x03\x00X-Test: 1\r\n" +
			"Content-type: text/html; charset=UTF-8\r\n\r\n\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00tex",
		"200 OK", gateway.Headers{{"X-Test", "1"}, {"Content-type", "text/html; charset=UTF-8"}},
		"", "", false},
	{"PHP: a worker that dies after a flush", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00-\x03\x00Content-type: text/html; charset=UTF-8\r\n\r\n" +
			"hel\x00\x00\x00",
		"200 OK", gateway.Headers{{"Content-type", "text/html; charset=UTF-8"}}, "hel", "", true},

	{"uWSGI: with a length", "uwsgi", "GET",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", "5"}}, "hello",
		"", false},
	{"uWSGI: without one", "uwsgi", "GET",
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno page",
		"404 Not Found", gateway.Headers{{"Content-Type", "text/plain"}}, "no page", "", false},
	{"uWSGI: less than declared", "uwsgi", "GET",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhello",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", "10"}},
		"hello", "", true},
	{"uWSGI: nothing", "uwsgi", "GET", "HTTP/1.1 200 OK\r\n\r\n", "200 OK", nil, "", "", false},
	{"uWSGI: cookies", "uwsgi", "GET",
		"HTTP/1.1 200 OK\r\n" +
			"Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nPOST 7 a=1&b=2",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Set-Cookie", "a=1"},
			{"Set-Cookie", "b=2"}},
		"POST 7 a=1&b=2", "", false},
	// That the program has failed after its first block cannot be told.
	{"uWSGI: a program that fails", "uwsgi", "GET",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhel",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, "hel", "", false},

	{"uWSGI: with a length", "SCGI", "GET",
		"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", "5"}}, "hello",
		"", false},
	{"uWSGI: less than declared", "SCGI", "GET",
		"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhello",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", "10"}},
		"hello", "", true},
	{"uWSGI: nothing", "SCGI", "GET", "Status: 200 OK\r\n\r\n", "200 OK", nil, "", "", false},

	{"uWSGI: blocks", "FastCGI", "GET",
		"\x01\x06\x00\x01\x003\x00\x00Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n" +
			"\x01\x06\x00\x01\x00\x02\x00\x00no\x01\x06\x00\x01\x00\x05\x00\x00 page" +
			"\x01\x06\x00\x01\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"404 Not Found", gateway.Headers{{"Content-Type", "text/plain"}}, "no page", "", false},
	{"uWSGI: less than declared", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00@\x00\x00Status: 200 OK\r\n" +
			"Content-Type: text/plain\r\nContent-Length: 10\r\n\r\n" +
			"\x01\x06\x00\x01\x00\x05\x00\x00hello\x01\x06\x00\x01\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", "10"}},
		"hello", "", true},

	// It does not tell that the program has ended with 3.
	{"fcgiwrap", "FastCGI", "GET",
		"\x01\x06\x00\x01\x00\"\x06\x00Content-Type: text/plain\r\n\r\n" +
			"hello\n\x00\x00\x00\x00\x00\x00" +
			"\x01\x06\x00\x01\x00\x00\x00\x00" +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, "hello\n", "", false},
}

// client returns the application that asks the server of a protocol.
func client(kind string, address []string, o Options) gateway.Application {
	switch kind {
	case "FastCGI":
		return &FastCGI{Addresses: address, Options: o}
	case "SCGI":
		return &SCGI{Addresses: address, Options: o}
	}
	return &UWSGI{Addresses: address, Options: o}
}

// readSome reads a request of any of the protocols, if it is small.
func readSome(c net.Conn) { _, _ = c.Read(make([]byte, 64<<10)) }

func TestRecordedAnswers(t *testing.T) {
	for _, test := range recorded {
		for _, size := range []int{len(test.answer), 1, 7} {
			if size == 1 && len(test.answer) > 1000 {
				continue
			}
			b := newBackend(t, "unix", func(c net.Conn, _ int) {
				readSome(c)
				for rest := test.answer; rest != ""; {
					n := min(size, len(rest))
					if _, err := io.WriteString(c, rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			})
			app := client(test.kind, b.address,
				Options{Vars: map[string]string{"SCRIPT_FILENAME": "/srv/www/i.php"}})
			r := gatewaytest.Record(app, gatewaytest.NewEnviron(test.method, "/", nil))
			name := test.kind + ", " + test.name
			if r.Status != test.status || !strings.HasPrefix(test.body, r.Body()) || !test.broken &&
				r.Body() != test.body ||
				r.Whole == test.broken || (r.Err != nil) != test.broken {
				t.Errorf("%s: %s, %.100q, whole: %v, %v", name, r.Status, r.Body(), r.Whole, r.Err)
			}
			for _, h := range test.headers {
				found := false
				for _, got := range r.Headers {
					found = found || got == h
				}
				if !found {
					t.Errorf("%s: %q lacks %q", name, r.Headers, h)
				}
			}
			if !test.broken && (r.Errors == "") != (test.log == "") ||
				!strings.Contains(r.Errors, test.log) {
				t.Errorf("%s: the log has %q, want %q", name, r.Errors, test.log)
			}
		}
	}
}

// An answer of FastCGI that ends early is never whole, wherever it ends, and nothing hangs.
func TestAFastCGIAnswerThatIsCutAnywhere(t *testing.T) {
	for _, test := range recorded {
		whole := test.answer
		if test.kind != "FastCGI" || test.broken || len(whole) > 1000 {
			continue
		}
		cut := make(chan int, 1)
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			_, _ = readFCGI(bufio.NewReader(c))
			_, _ = io.WriteString(c, whole[:<-cut])
		})
		app := &FastCGI{Addresses: b.address}
		for k := range len(whole) + 1 {
			cut <- k
			r := gatewaytest.Record(app, gatewaytest.NewEnviron(test.method, "/", nil))
			switch {
			case k == len(whole):
				if !r.Whole || r.Status != test.status {
					t.Errorf("%s: %s, %v", test.name, r.Status, r.Err)
				}
			case r.Whole && r.Code() != 502, !strings.Contains(r.Errors, ErrCutShort.Error()),
				r.Code() != 502 && !strings.HasPrefix(test.body, r.Body()):
				t.Errorf("%s after %d of %d bytes: %s, %q, whole: %v, the log has %q",
					test.name, k, len(whole), r.Status, r.Body(), r.Whole, r.Errors)
			}
		}
	}
}
