package uwsgi_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/request"
	"example.com/gateway/uwsgi"
)

// sized returns a string behind its size.
func sized(s string) string {
	return string(binary.LittleEndian.AppendUint16(nil, uint16(len(s)))) + s
}

// packet returns variables as a host writes them.
func packet(vars ...[2]string) string {
	var b strings.Builder
	for _, v := range vars {
		b.WriteString(sized(v[0]) + sized(v[1]))
	}
	return block(b.String())
}

func block(s string) string { return "\x00" + sized(s)[:2] + "\x00" + s }

// read reads the variables of in, and returns them and the rest of in.
func read(in io.Reader, max int) (vars [][2]string, rest string, err error) {
	r := bufio.NewReader(in)
	err = uwsgi.ReadVars(r, max, func(name, value string) error {
		vars = append(vars, [2]string{name, value})
		return nil
	})
	b, _ := io.ReadAll(r)
	return vars, string(b), err
}

func TestWhatIsUwsgi(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65535-2-2-1)
	for _, c := range []struct {
		name, in string
		want     [][2]string
		rest     string
	}{
		{"variables and a body", packet([2]string{"A", "b"}, [2]string{"CC", "dd"}) + "body",
			[][2]string{{"A", "b"}, {"CC", "dd"}}, "body"},
		{"no variables", packet(), nil, ""},
		{"empty values", packet([2]string{"A", ""}, [2]string{"B", ""}), [][2]string{{"A", ""}, {"B", ""}}, ""},
		{"a name twice", packet([2]string{"A", "1"}, [2]string{"A", "2"}), [][2]string{{"A", "1"}, {"A", "2"}}, ""},
		{"any bytes", packet([2]string{"\x00", "\x00\r\n\xff"}), [][2]string{{"\x00", "\x00\r\n\xff"}}, ""},
		{"as large as a packet can be", packet([2]string{"A", long}) + "b", [][2]string{{"A", long}}, "b"},
		{"any modifier2", "\x00\x00\x00\x07", nil, ""}, // it chooses among interpreters, of which there is one
	} {
		for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			if vars, rest, err := read(in, 1<<20); !slices.Equal(vars, c.want) || rest != c.rest || err != nil {
				t.Errorf("%s: %.200q, %q, %v", c.name, vars, rest, err)
			}
		}
	}
}

func TestWhatIsNotUwsgi(t *testing.T) {
	t.Parallel()
	for modifier := 1; modifier < 256; modifier++ { // 5 is PSGI, 14 CGI, 100 ping, 'G' the start of HTTP
		in := string([]byte{byte(modifier), 0, 0, 0})
		if _, _, err := read(strings.NewReader(in), 1<<20); err == nil || !strings.Contains(err.Error(), "modifier1") {
			t.Errorf("modifier1 %d: %v", modifier, err)
		}
	}
	for name, in := range map[string]string{
		"an empty name":                  packet([2]string{"", "a"}),
		"an empty name, nothing else":    packet([2]string{"", ""}),
		"a name and no value":            block(sized("A")),
		"half a size":                    block(sized("A") + sized("b") + "\x01"),
		"half the size of a value":       block(sized("A") + "\x01"),
		"a name that is longer":          block("\x05\x00AAAA"),
		"a value that is longer":         block(sized("A") + "\x02\x00b"),
		"a value over the next pair":     block(sized("A") + "\x0a\x00" + "b" + sized("B") + sized("c")),
		"the largest size":               block("\xff\xff" + "A"),
		"the largest size of a value":    block(sized("A") + "\xff\xff" + "b"),
		"sizes in the other byte order":  block("\x00\x01A\x00\x01b"),
		"text after the last pair":       block(sized("A") + sized("b") + "junk"),
		"a length that cuts the last up": packet([2]string{"A", "bb"})[:1] + "\x06\x00\x00" + sized("A") + sized("bb"),
	} {
		if _, _, err := read(strings.NewReader(in), 1<<20); err == nil ||
			!strings.Contains(err.Error(), "uwsgi: malformed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPacketThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	in := packet([2]string{"A", strings.Repeat("x", 95)})
	if _, rest, err := read(strings.NewReader(in), 99); !errors.Is(err, request.ErrHeaderTooLarge) || len(rest) != 100 {
		t.Errorf("%v, %d bytes are left", err, len(rest))
	}
	if _, _, err := read(strings.NewReader(in), 100); err != nil {
		t.Error(err)
	}
}

// A packet that is cut at any byte is no request.
func TestAPacketThatIsCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := packet([2]string{"REQUEST_METHOD", "GET"}, [2]string{"HTTP_X", "y"})
	for n := range len(whole) {
		_, _, err := read(strings.NewReader(whole[:n]), 1<<20)
		if want := io.ErrUnexpectedEOF; n > 0 && err != want || n == 0 && err != io.EOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// Variables that end at any byte within their packet are whole, or no request.
func TestVariablesThatAreCutAnywhere(t *testing.T) {
	t.Parallel()
	vars := [][2]string{{"AA", "bb"}, {"CC", ""}, {"DD", "ee"}}
	ends := map[int]int{} // of a whole number of pairs
	var all string
	for i, v := range vars {
		ends[len(all)] = i
		all += sized(v[0]) + sized(v[1])
	}
	for n := range len(all) {
		got, _, err := read(strings.NewReader(block(all[:n])), 1<<20)
		if i, whole := ends[n]; whole != (err == nil) || whole && !slices.Equal(got, vars[:i]) {
			t.Errorf("after %d bytes: %q, %v", n, got, err)
		}
	}
}

// Variables that were read and are written again give the same bytes, but for modifier2, which
// nobody reads.
func FuzzReadVars(f *testing.F) {
	f.Add(packet([2]string{"A", "b"}, [2]string{"CC", ""}) + "body")
	f.Add(packet())
	f.Add("\x05\x00\x00\x00")
	f.Add("\x00\xff\xff\x00abc")
	f.Add(block("\xff\xffA"))
	f.Fuzz(func(t *testing.T, in string) {
		vars, rest, err := read(strings.NewReader(in), 1<<20)
		again, trickled, oerr := read(iotest.OneByteReader(strings.NewReader(in)), 1<<20)
		if fmt.Sprint(err) != fmt.Sprint(oerr) || !slices.Equal(vars, again) || trickled != rest {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", vars, err, again, oerr)
		}
		if err != nil {
			return
		}
		if want := in[:3] + "\x00" + in[4:]; packet(vars...)+rest != want {
			t.Errorf("%q is %q and %q", in, vars, rest)
		}
	})
}

// The version in the status line is HTTP/1.0 or HTTP/1.1, whatever the host or the application
// makes of SERVER_PROTOCOL. More than a version would be headers, or a response of its own.
func TestTheVersionOfTheStatusLine(t *testing.T) {
	t.Parallel()
	const evil = "HTTP/1.1 200 OK\r\nSet-Cookie: evil=1\r\nX-Rest:"
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.Vars["SERVER_PROTOCOL"] = evil
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("hello"), err
	}
	server := &uwsgi.Server{Application: gateway.ApplicationFunc(app), ErrorLog: log.New(io.Discard, "", 0)}
	addr := testhost.Backend(t, server, "tcp")
	for _, c := range []struct{ protocol, want string }{
		{"HTTP/1.0", "HTTP/1.0 200 OK"},
		{"HTTP/1.1", "HTTP/1.1 200 OK"},
		{"HTTP/1.9", "HTTP/1.1 200 OK"},
		{"HTTP/1.10", "HTTP/1.1 200 OK"},
		{"HTTP/2.0", "HTTP/1.1 200 OK"},
		{"http/1.0", "HTTP/1.1 200 OK"},
		{"INCLUDED", "HTTP/1.1 200 OK"},
		{"", "HTTP/1.0 200 OK"}, // the default of RFC 3875
		{evil, "HTTP/1.1 400 Bad Request"},
		{"HTTP/1.0\r\n", "HTTP/1.1 400 Bad Request"},
		{"HTTP/1.", "HTTP/1.1 400 Bad Request"},
	} {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, packet([2]string{"REQUEST_METHOD", "GET"}, [2]string{"SERVER_PROTOCOL", c.protocol}))
		answer, err := io.ReadAll(conn)
		if got, _, _ := strings.Cut(string(answer), "\r\n"); got != c.want ||
			strings.Contains(string(answer), "evil") || err != nil {
			t.Errorf("%q: %q, %v, want %q", c.protocol, answer, err, c.want)
		}
		conn.Close()
	}
}
