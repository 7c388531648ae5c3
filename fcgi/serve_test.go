package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

const helloAnswer = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n"

// The whole of a response, byte for byte: STDOUT, its end, and END_REQUEST (FastCGI 1.0, B:
// "Typical Protocol Message Flow").
func TestResponseBytes(t *testing.T) {
	c := serve(t, hello).dial()
	c.send(request(1, 0, "GET", "/", ""))
	got, err := io.ReadAll(c.conn)
	want := string([]byte{1, 6, 0, 1, 0, byte(len(helloAnswer)), 0, 0}) + helloAnswer +
		"\x01\x06\x00\x01\x00\x00\x00\x00" + "\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if string(got) != want || err != nil {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

// A host may cut its records anywhere, and one that does it after every byte is the same host.
func TestSplitAtEveryByte(t *testing.T) {
	s := serve(t, echo)
	whole := request(0x0201, keepConn, "POST", "/split", "the body")
	for i := range len(whole) {
		c := s.dial()
		c.send(whole[:i])
		if i%8 == 0 {
			time.Sleep(100 * time.Microsecond) // so that most are read apart
		}
		c.send(whole[i:])
		if a := c.read(0x0201); a.body() != "/split the body" {
			t.Fatalf("cut at %d: %q", i, a.stdout)
		}
		c.conn.Close()
	}
	c := s.dial()
	for i := range len(whole) {
		c.send(whole[i : i+1])
	}
	if a := c.read(0x0201); a.body() != "/split the body" {
		t.Errorf("byte by byte: %q", a.stdout)
	}
}

// Section 3.3: streams may be cut into records of any size, and every record may be padded with up
// to 255 bytes.
func TestRecordsOfAnySizeAndPadding(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 20<<10)
	for _, size := range []int{1, 7, 255, 8191, 8192, 65535} {
		for _, padding := range []int{0, 1, 255} {
			t.Run(fmt.Sprintf("%d-%d", size, padding), func(t *testing.T) {
				body := body[:min(len(body), 300*size)]
				c := serve(t, echo).dial()
				c.sendAside(begin(9, responder, keepConn),
					stream(paramsRecord, 9, pairs("REQUEST_METHOD", "POST", "PATH_INFO", "/", "CONTENT_LENGTH", fmt.Sprint(len(body))), size, padding),
					stream(stdinRecord, 9, body, size, padding))
				if a := c.read(9); a.body() != "/ "+body {
					t.Errorf("%d bytes, want %d: %.200q", len(a.body()), len(body)+2, a.stdout)
				}
				if a := c.roundTrip(9, get(9, "/again")); a.body() != "/again " {
					t.Errorf("the next request: %q", a.stdout)
				}
			})
		}
	}
}

// With FCGI_KEEP_CONN the host owns the connection (5.1).
func TestKeepAlive(t *testing.T) {
	c := serve(t, echo).dial()
	for i := range uint16(200) {
		body := strings.Repeat("x", int(i)*100)
		if a := c.roundTrip(1+i%3, request(1+i%3, keepConn, "POST", "/k", body)); a.body() != "/k "+body || a.status != requestComplete || a.stdoutEnds != 1 {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
}

// What a host sends ahead is answered in order.
func TestPipelinedRequests(t *testing.T) {
	c := serve(t, echo).dial()
	var all strings.Builder
	for i := range uint16(50) {
		all.WriteString(request(i+1, keepConn, "POST", fmt.Sprint("/", i), "body"))
	}
	c.sendAside(all.String())
	for i := range uint16(50) {
		if a := c.read(i + 1); a.body() != fmt.Sprintf("/%d body", i) {
			t.Errorf("request %d: %q", i, a.stdout)
		}
	}
}

// Without FCGI_KEEP_CONN the application closes the connection (5.1). nginx waits for that whatever
// END_REQUEST says.
func TestNoKeepAliveEndsTheConnection(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		t.Run(name, func(t *testing.T) {
			c := serveOn(t, l(t), hello).dial()
			c.send(request(1, 0, "GET", "/", ""))
			if err := c.end(); err != nil {
				t.Errorf("the connection ended with %v", err)
			}
			if a := c.answer(1); a.stdout != helloAnswer || a.ends != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// An answer that comes before the body was read must arrive, though the host is still sending
// (golang/go#4183): the sending half is closed, the rest of the body read for a while, then the
// connection closed.
func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		t.Run(name, func(t *testing.T) {
			c := serveOn(t, l(t), hello).dial()
			body := strings.Repeat("x", 8<<20)
			c.send(head(1, 0, "POST", "/", "CONTENT_LENGTH", fmt.Sprint(len(body))))
			c.until("END_REQUEST", func() bool { return c.answer(1).ends > 0 })
			c.send(stream(stdinRecord, 1, body, 65535, 0)) // all of it is taken
			if err := c.end(); err != nil || c.answer(1).stdout != helloAnswer {
				t.Errorf("%v, %q", err, c.answer(1).stdout)
			}
			// The host's own end is what ends it at last, long before the bound of the drain.
		})
	}
}

// FastCGI with KEEP_CONN: END_REQUEST frees the id even if STDIN has not ended; Apache with
// enablereuse does so.
func TestUnreadBodyOnAKeptConnection(t *testing.T) {
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/echo" {
			return echo(env, start)
		}
		return hello(env, start)
	}).dial()
	for i := range 5 {
		c.send(head(1, keepConn, "POST", "/hello", "CONTENT_LENGTH", "20"), rec(stdinRecord, 1, "stale bytes"))
		if a := c.read(1); a.stdout != helloAnswer {
			t.Fatalf("%q", a.stdout)
		}
		if i%2 == 0 { // the rest of it, which nobody wants
			c.send(rec(stdinRecord, 1, "more stale"), rec(stdinRecord, 1, ""))
		}
		if a := c.roundTrip(1, request(1, keepConn, "POST", "/echo", "fresh")); a.body() != "/echo fresh" {
			t.Fatalf("the next request with that id got %q", a.stdout)
		}
	}
}

// A countingConn counts calls of Write. It hides the socket behind it.
type countingConn struct {
	net.Conn
	mu     sync.Mutex
	writes []string
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, string(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

type countingListener struct {
	net.Listener
	conns chan *countingConn
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &countingConn{Conn: conn}
	l.conns <- c
	return c, nil
}

// Head, block, the end of STDOUT and END_REQUEST leave in one write; net/http/fcgi needs four.
func TestOneWritePerResponse(t *testing.T) {
	for _, size := range []int{0, 1, 14, 4 << 10, 8 << 10, 60 << 10} {
		l := &countingListener{listenUnix(t), make(chan *countingConn, 1)}
		body := strings.Repeat("x", size)
		c := serveOn(t, l, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Text(body), err
		}).dial()
		if a := c.roundTrip(1, get(1, "/")); a.body() != body {
			t.Fatalf("%d bytes, want %d", len(a.body()), size)
		}
		conn := <-l.conns
		conn.mu.Lock()
		// net.Buffers is one writev on a socket, and a Write for each part on anything else.
		if n := len(conn.writes); size <= 4<<10 && n != 1 || n > 4 {
			t.Errorf("%d bytes took %d writes", size, n)
		}
		conn.mu.Unlock()
	}
}

// A maskedConn has the methods of a socket, and bytes of its own.
type maskedConn struct{ *net.UnixConn }

func mask(p []byte) []byte {
	q := slices.Clone(p)
	for i := range q {
		q[i] ^= 0x55
	}
	return q
}

func (c maskedConn) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	copy(p, mask(p[:n]))
	return n, err
}

func (c maskedConn) Write(p []byte) (int, error) { return c.UnixConn.Write(mask(p)) }

type maskedListener struct{ net.Listener }

func (l maskedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return maskedConn{conn.(*net.UnixConn)}, nil
}

// What a type of the listener's has in it is not read from or written to behind its back.
func TestConnectionThatIsMoreThanItsSocket(t *testing.T) {
	path := fileOf(t, numbered(100_000))
	body := strings.Repeat("body ", 20_000)
	s := serveOn(t, maskedListener{listenUnix(t)}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/file" {
			return fileBody(path, plain, start)
		}
		got, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Bytes(got), err
	})
	conn, err := net.Dial("unix", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, maskedConn{conn.(*net.UnixConn)})
	c.sendAside(request(1, keepConn, "POST", "/", body))
	if a := c.read(1); a.body() != body {
		t.Errorf("%.100q", a.stdout)
	}
	if a := c.roundTrip(1, get(1, "/file")); a.body() != numbered(100_000) {
		t.Errorf("%.100q", a.stdout)
	}
}

// R92: "must not delay the transmission of any block".
func TestBlocksGoOutOneByOne(t *testing.T) {
	next := make(chan struct{})
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for i := range 5 {
				if !yield(fmt.Appendf(nil, "block %d\n", i), nil) {
					return
				}
				<-next
			}
		}), err
	}).dial()
	c.send(get(1, "/"))
	want := ""
	for i := range 5 {
		want += fmt.Sprintf("block %d\n", i)
		c.until("the block", func() bool { return strings.HasSuffix(c.answer(1).stdout, want) })
		next <- struct{}{}
	}
	if a := c.read(1); a.body() != want {
		t.Errorf("%q", a.body())
	}
}

// Every size of block around those where records and buffers end. The length has 16 bits: a longer
// one would wrap.
func TestBlocksOfEverySize(t *testing.T) {
	var body atomic.Pointer[[][]byte] // the race detector sees no order in what goes over a socket
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		headers := plain
		if env.Vars["PATH_INFO"] == "/long" { // a head that is longer than a record
			headers = headers.Append("X-Long", strings.Repeat("h", 200_000))
		}
		_, err := start("200 OK", headers, nil)
		return gateway.Bytes(*body.Load()...), err
	}).dial()
	random := rand.NewChaCha8([32]byte{})
	sizes := []int{0, 1, 7, 8, 4095, 4096, 4097, 8191, 8192, 8193, 65527, 65528, 65529, 65535, 65536, 262111, 262112, 262113, 2 << 20}
	for i := range sizes {
		for _, list := range [][]int{{sizes[i]}, {sizes[i], 3}, {3, sizes[i], 3}} {
			for _, path := range []string{"/", "/long"} {
				var blocks [][]byte
				var want strings.Builder
				for _, n := range list {
					b := make([]byte, n)
					_, _ = random.Read(b)
					blocks = append(blocks, b)
					want.Write(b)
				}
				body.Store(&blocks)
				a := c.roundTrip(1, get(1, path))
				if a.body() != want.String() || a.stdoutEnds != 1 {
					t.Fatalf("blocks of %v for %s: %d bytes came, want %d", list, path, len(a.body()), want.Len())
				}
			}
		}
	}
}

// HEAD, 204 and 304 have no body, and their STDOUT ends once.
func TestResponsesWithoutABody(t *testing.T) {
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		headers := plain
		if env.Vars["PATH_INFO"] == "/long" {
			headers = headers.Append("X-Long", strings.Repeat("h", 70_000))
		}
		status := "200 OK"
		if env.Vars["REQUEST_METHOD"] == "GET" {
			status = "304 Not Modified"
		}
		_, err := start(status, headers, nil)
		return gateway.Text("body"), err
	}).dial()
	for _, method := range []string{"HEAD", "GET"} {
		for _, path := range []string{"/", "/long"} {
			a := c.roundTrip(1, request(1, keepConn, method, path, ""))
			if a.body() != "" || a.stdoutEnds != 1 || a.status != requestComplete {
				t.Errorf("%s %s: %.300q, %d ends of STDOUT", method, path, a.stdout, a.stdoutEnds)
			}
		}
	}
}

// Status goes after Location: HAProxy makes a 302 of any status that a Location follows.
func TestStatusFollowsLocation(t *testing.T) {
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("201 Created", gateway.Headers{{"X-A", "1"}, {"Location", "/new"}, {"Content-Type", "text/plain"}}, nil)
		return gateway.Text("ok"), err
	}).dial()
	want := "Location: /new\r\nStatus: 201 Created\r\nContent-Type: text/plain\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok"
	if a := c.roundTrip(1, get(1, "/")); a.stdout != want {
		t.Errorf("got  %q\nwant %q", a.stdout, want)
	}
}

// Environ.Errors is FCGI_STDERR, in records whose length does not wrap: net/http/fcgi sends a long
// text as one record, and what follows of it is parsed by the host as records.
func TestStderrNeverWraps(t *testing.T) {
	forged := rec(stdoutRecord, 1, "Status: 200 OK\r\n\r\nforged") + rec(endRequest, 1, "\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, size := range []int{1, 8, 65527, 65528, 65529, 65535, 65536, 65537, 200_000} {
		text := strings.Repeat("x", size) + forged
		s := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if n, err := io.WriteString(env.Errors, text); n != len(text) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			if n, err := env.Errors.Write(nil); n != 0 || err != nil { // an empty record would end the stream
				t.Errorf("empty Write = %d, %v", n, err)
			}
			return hello(env, start)
		})
		a := s.dial().roundTrip(1, get(1, "/"))
		if a.stderr != text || a.stdout != helloAnswer {
			t.Errorf("%d bytes: stderr has %d, stdout %q", len(text), len(a.stderr), a.stdout)
		}
		if got := s.log.String(); got != text+"\n" {
			t.Errorf("%d bytes: the log has %d", len(text), len(got))
		}
	}
}

// What the application keeps of Errors says nothing in the name of a later request.
func TestErrorsAfterTheEnd(t *testing.T) {
	kept := make(chan io.Writer, 1)
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		kept <- env.Errors
		return hello(env, start)
	}).dial()
	c.roundTrip(1, get(1, "/"))
	if _, err := io.WriteString(<-kept, "late"); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Write after the end: %v, want ErrEnded", err)
	}
	c.silent()
}

// Section 4.1: FCGI_GET_VALUES asks for some, and gets those of them that are known.
func TestGetValues(t *testing.T) {
	s := serve(t, hello, func(s *fcgi.Server) { s.MaxConns, s.MaxRequests = 321, 654 })
	for _, test := range []struct{ name, question, answer string }{
		{"all", pairs("FCGI_MAX_CONNS", "", "FCGI_MAX_REQS", "", "FCGI_MPXS_CONNS", ""),
			pairs("FCGI_MAX_CONNS", "321", "FCGI_MAX_REQS", "654", "FCGI_MPXS_CONNS", "1")},
		{"one", pairs("FCGI_MPXS_CONNS", ""), pairs("FCGI_MPXS_CONNS", "1")},
		{"unknown ones", pairs("FCGI_X", "", "FCGI_MAX_REQS", "", "", ""), pairs("FCGI_MAX_REQS", "654")},
		{"none", "", ""},
	} {
		for _, padding := range []int{0, 255} {
			c := s.dial()
			c.send(rec(getValues, 0, test.question, padding))
			c.until("GET_VALUES_RESULT", func() bool { return len(c.values) > 0 })
			if c.values[0] != test.answer {
				t.Errorf("%s: %q, want %q", test.name, c.values[0], test.answer)
			}
			if a := c.roundTrip(1, get(1, "/")); a.stdout != helloAnswer || len(c.values) != 1 {
				t.Errorf("%s: then %q and %d results", test.name, a.stdout, len(c.values))
			}
		}
	}
}

// Section 4.2: UNKNOWN_TYPE answers management records of an unknown type, whatever is in them, and
// only those.
func TestUnknownType(t *testing.T) {
	c := serve(t, hello).dial()
	c.send(rec(99, 0, strings.Repeat("x", 60000), 17), rec(0, 0, ""), rec(8, 0, "data"), rec(99, 7, "of a request"), rec(getValues, 7, "xxx"))
	a := c.roundTrip(1, get(1, "/"))
	if string(c.unknown) != "\x63\x00\x08" || a.stdout != helloAnswer || len(c.answers) != 0 {
		t.Errorf("UNKNOWN_TYPE for %q, then %q; %s", c.unknown, a.stdout, c.all())
	}
}

// Section 5.5: a role that the application does not play is refused by FCGI_UNKNOWN_ROLE, and the
// connection treated as ever.
func TestOtherRolesAreRefused(t *testing.T) {
	s := serve(t, hello)
	for _, role := range []int{0, authorizer, filter, 4, 255} {
		c := s.dial()
		rest := stream(paramsRecord, 5, pairs("REQUEST_METHOD", "GET"), 100, 0) + stream(stdinRecord, 5, "body", 100, 0)
		if a := c.roundTrip(5, begin(5, role, keepConn)+rest); a.status != unknownRole || a.stdout+a.stderr != "" {
			t.Errorf("role %d: %+v", role, a)
		}
		if a := c.roundTrip(5, get(5, "/")); a.stdout != helloAnswer {
			t.Errorf("after role %d: %q", role, a.stdout)
		}
		c.send(begin(6, role, 0), stream(paramsRecord, 6, "", 1, 0)) // net/http/fcgi leaves the connection open
		if err := c.end(); err != nil || c.answer(6).status != unknownRole {
			t.Errorf("role %d without KEEP_CONN: %v %s", role, err, c.all())
		}
	}
}

// Hosts that close their half after the request are answered; net/http/fcgi answers none.
func TestHalfClosedConnectionIsAnswered(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		s := serveOn(t, l(t), func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/slow" {
				time.Sleep(10 * time.Millisecond) // longer than the connection's goroutine waits
			}
			return echo(env, start)
		})
		for _, path := range []string{"/", "/slow"} {
			c := s.dial()
			c.send(request(1, keepConn, "POST", path, "body"))
			if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := c.end(); err != nil || c.answer(1).body() != path+" body" {
				t.Errorf("%s %s: %v, %s", name, path, err, c.all())
			}
		}
	}
}

// The environ of a request, as the specification of WSGI and this package's documentation have it.
func TestEnviron(t *testing.T) {
	var got gateway.Environ
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		got = *env
		return hello(env, start)
	}).dial()
	long := strings.Repeat("v", 300)
	c.roundTrip(1, begin(1, responder, keepConn)+stream(paramsRecord, 1, pairs("REQUEST_METHOD", "GET", "SERVER_NAME", "first",
		"SERVER_NAME", "host", "HTTPS", "on", "HTTP_X", "1", "HTTP_X", "2", "HTTP_COOKIE", "a=1", "HTTP_COOKIE", "b=2", "HTTP_PROXY", "evil",
		"EMPTY", "", "CONTENT_TYPE", "", "LONG", long, long, "name", "PATH_INFO", "/\xe4\n"), 10, 0))
	want := map[string]string{"REQUEST_METHOD": "GET", "SERVER_NAME": "host", "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.0",
		"HTTPS": "on", "HTTP_X": "1, 2", "HTTP_COOKIE": "a=1; b=2", "EMPTY": "", "LONG": long, long: "name", "PATH_INFO": "/\xe4\n"}
	if fmt.Sprint(got.Vars) != fmt.Sprint(want) {
		t.Errorf("Vars are %q\nwant %q", got.Vars, want)
	}
	if got.URLScheme != "https" || !got.Multithread || !got.Multiprocess || got.RunOnce {
		t.Errorf("scheme %s, multithread %v, multiprocess %v, run once %v", got.URLScheme, got.Multithread, got.Multiprocess, got.RunOnce)
	}
}

// Parameters that are not whole pairs get a 400: net/http/fcgi serves the request without those at
// the end, as REMOTE_USER.
func TestMalformedParameters(t *testing.T) {
	good := pairs("REQUEST_METHOD", "GET", "REMOTE_USER", "alice")
	for name, params := range map[string]string{
		"cut in a value":            good[:len(good)-1],
		"cut after a name":          good[:len(good)-5],
		"only a length":             good + "\x05",
		"only two lengths":          good + "\x05\x05",
		"cut in a long length":      good + "\x80\x00\x00",
		"length beyond the end":     good + "\x80\x00\x00\xFF\x01x",
		"lengths that overflow":     good + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFx",
		"sum that overflows 32 bit": good + "\xFF\xFF\xFF\xFF\x80\x00\x00\x02xxx",
		"empty name":                good + pairs("", "value"),
		"empty name and value":      good + "\x00\x00",
		"no method":                 pairs("PATH_INFO", "/"),
		"nothing":                   "",
		"method with a line break":  pairs("REQUEST_METHOD", "GET\r\nX: y"),
		"header with a line break":  good + pairs("HTTP_X", "a\nb"),
		"NUL in the path":           good + pairs("PATH_INFO", "/a\x00b"),
		"name with a line break":    good + pairs("X\r\nEvil: 1", "a"),
		"name with a NUL":           good + pairs("A\x00B", "a"),
		"name with an equals sign":  good + pairs("A=B", "a"),
		"name with a space":         good + pairs("A B", "a"),
		"header that is no token":   good + pairs("HTTP_X:Y", "a"),
		"user with a line break":    good + pairs("REMOTE_USER", "alice\nroot"),
		"two lengths":               good + pairs("CONTENT_LENGTH", "1", "CONTENT_LENGTH", "2"),
	} {
		s := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			t.Errorf("%s: the application was called", name)
			return hello(env, start)
		})
		c := s.dial()
		for range 2 { // the connection stays usable
			a := c.roundTrip(1, begin(1, responder, keepConn)+stream(paramsRecord, 1, params, 100, 0)+rec(stdinRecord, 1, ""))
			if a.line("Status") != "400 Bad Request" || a.status != requestComplete {
				t.Errorf("%s: %q", name, a.stdout)
			}
		}
	}
}

// A parameter block cut at every byte is never served.
func TestParametersCutAtEveryByte(t *testing.T) {
	called := make(chan struct{}, 1)
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		called <- struct{}{}
		return hello(env, start)
	}).dial()
	params := pairs("REQUEST_METHOD", "GET", "LONG", strings.Repeat("x", 200))
	for i := 1; i < len(params); i++ {
		if i == len(pairs("REQUEST_METHOD", "GET")) {
			continue // whole
		}
		if a := c.roundTrip(1, begin(1, responder, keepConn)+stream(paramsRecord, 1, params[:i], 7, 0)); a.line("Status") != "400 Bad Request" {
			t.Errorf("cut at %d: %q", i, a.stdout)
		}
	}
	if len(called) > 0 {
		t.Error("the application was called")
	}
}

// C32 and the rules of hosts.md: Input has CONTENT_LENGTH bytes, or all that comes if the host does
// not know.
func TestContentLength(t *testing.T) {
	s := serve(t, echo)
	for _, test := range []struct {
		name, length, sent string
		end                bool // STDIN ends
		status, body       string
		more               []string
	}{
		{name: "exact", length: "4", sent: "body", end: true, status: "200 OK", body: "body"},
		{name: "exact, no end yet", length: "4", sent: "body", status: "200 OK", body: "body"},
		{name: "more than said", length: "2", sent: "body", end: true, status: "200 OK", body: "bo"},
		{name: "less than said", length: "9", sent: "body", end: true, status: "400 unexpected EOF", body: "body"},
		{name: "unknown", length: "", sent: "body", end: true, status: "200 OK", body: "body"},
		{name: "Caddy's unknown", length: "-1", sent: "body", end: true, status: "200 OK", body: "body", more: []string{"SERVER_SOFTWARE", "Caddy/v2.6.2"}},
		{name: "-1 of others", length: "-1", sent: "body", end: true, status: "400 Bad Request", body: "-"},
		{name: "negative", length: "-5", sent: "body", end: true, status: "400 Bad Request", body: "-"},
		{name: "signed", length: "+4", sent: "body", end: true, status: "400 Bad Request", body: "-"},
		{name: "too large for 64 bits", length: "9223372036854775808", sent: "", end: true, status: "400 Bad Request", body: "-"},
		{name: "list", length: "4, 4", sent: "body", end: true, status: "400 Bad Request", body: "-"},
	} {
		c := s.dial()
		c.send(head(1, keepConn, "POST", "/", append([]string{"CONTENT_LENGTH", test.length}, test.more...)...), rec(stdinRecord, 1, test.sent))
		if test.end {
			c.send(rec(stdinRecord, 1, ""))
		}
		a := c.read(1)
		if a.line("Status") != test.status || test.body != "-" && a.body() != "/ "+test.body {
			t.Errorf("%s: %q, want %s and %q", test.name, a.stdout, test.status, test.body)
		}
	}
}

// Every error outside of a request's own makes the connection end, and says so in the log.
func TestWhatNoHostSends(t *testing.T) {
	for name, test := range map[string]struct{ bytes, log string }{
		"another version":         {"\x02\x01\x00\x01\x00\x08\x00\x00", "unknown version"},
		"HTTP":                    {"GET / HTTP/1.1\r\n\r\n", "unknown version"},
		"BEGIN_REQUEST too short": {rec(beginRequest, 1, "\x00\x01\x01"), "malformed BEGIN_REQUEST"},
		"BEGIN_REQUEST too long":  {rec(beginRequest, 1, "\x00\x01\x01\x00\x00\x00\x00\x00\x00"), "malformed BEGIN_REQUEST"},
		"BEGIN_REQUEST with id 0": {begin(0, responder, 0), "id 0"},
		"PARAMS with id 0":        {rec(paramsRecord, 0, "x"), "id 0"},
		"STDIN with id 0":         {rec(stdinRecord, 0, "x"), "id 0"},
		"ABORT_REQUEST with id 0": {rec(abortRequest, 0, ""), "id 0"},
		"BEGIN_REQUEST twice":     {begin(1, responder, keepConn) + begin(1, responder, keepConn), "in use"},
		"GET_VALUES of 60 kB":     {rec(getValues, 0, strings.Repeat("\x01\x00x", 20000)), "too long"},
		"GET_VALUES that is cut":  {rec(getValues, 0, "\x05"), "malformed"},
		"end in a header":         {"\x01\x01\x00", "unexpected EOF"},
		"end in BEGIN_REQUEST":    {begin(1, responder, 0)[:12], "unexpected EOF"},
		"end in PARAMS":           {begin(1, responder, 0) + rec(paramsRecord, 1, "xxxxx")[:10], "unexpected EOF"},
		"end in padding":          {rec(99, 7, "", 200)[:100], "unexpected EOF"},
	} {
		s := serve(t, hello)
		c := s.dial()
		c.send(test.bytes)
		if strings.Contains(test.log, "EOF") {
			_ = c.conn.(*net.UnixConn).CloseWrite()
		}
		_ = c.end()
		if len(c.answers) > 0 || len(c.values) > 0 {
			t.Errorf("%s: answered %s %q", name, c.all(), c.values)
		}
		if got := s.log.String(); !strings.Contains(got, test.log) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: the log has %q, want one line with %q", name, got, test.log)
		}
	}
}

// A record for an id that is not open is no error: the host may have sent it before it saw END_REQUEST.
func TestRecordsForUnknownIDs(t *testing.T) {
	c := serve(t, hello).dial()
	c.send(rec(stdinRecord, 77, strings.Repeat("x", 65535), 255), rec(stdinRecord, 77, ""), rec(paramsRecord, 78, "xxx"), rec(paramsRecord, 78, ""),
		rec(abortRequest, 79, ""), rec(stdoutRecord, 80, "from the host"), rec(endRequest, 81, "12345678"), rec(200, 82, "xxx", 9))
	if a := c.roundTrip(1, get(1, "/")); a.stdout != helloAnswer || len(c.answers) > 0 {
		t.Errorf("%q %s", a.stdout, c.all())
	}
}

// A protocol error ends the connection, but what others on it are doing comes to its end: nothing
// is known against them.
func TestProtocolErrorLeavesOthersTheirAnswer(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		proceed := make(chan struct{})
		c := serveOn(t, l(t), func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			<-proceed
			return hello(env, start)
		}).dial()
		c.send(get(1, "/"), begin(1, responder, keepConn), strings.Repeat("x", 100_000))
		close(proceed)
		if err := c.end(); err != nil || c.answer(1).stdout != helloAnswer || c.answer(1).ends != 1 {
			t.Errorf("%s: %v %s", name, err, c.all())
		}
	}
}

func TestServeNeedsAnApplication(t *testing.T) {
	if err := new(fcgi.Server).Serve(listenUnix(t)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Serve without an application: %v", err)
	}
}

// nowhere is a transport that drops the response.
type nowhere struct{}

func (nowhere) WriteHead(string, gateway.Headers) error { return nil }
func (nowhere) Write(block []byte) (int, error)         { return len(block), nil }
func (nowhere) Flush() error                            { return nil }
func (nowhere) End(bool) error                          { return nil }

// What ends with a response that an application makes of its own environ is not what the server
// gave to the application.
func TestResponseWithinAResponse(t *testing.T) {
	read := func(env *gateway.Environ) string {
		b := make([]byte, 3)
		n, err := io.ReadFull(env.Input, b)
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	var kept *gateway.Environ
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		var parts []string
		err := gateway.Respond(gateway.ApplicationFunc(func(inner *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			parts = append(parts, read(inner))
			kept = inner
			_, err := start("200 OK", plain, nil)
			return gateway.Text("dropped"), err
		}), env, nowhere{})
		if _, kerr := kept.Input.Read(make([]byte, 1)); err != nil || kerr != gateway.ErrEnded || context.Cause(kept.Context()) != gateway.ErrEnded {
			t.Errorf("the inner response: %v, a read after it: %v, its Context: %v", err, kerr, context.Cause(kept.Context()))
		}
		if err := env.Context().Err(); err != nil {
			t.Errorf("the Context has ended with the inner response: %v", err)
		}
		parts = append(parts, read(env))
		_, err = start("200 OK", plain, nil)
		return gateway.Text(strings.Join(parts, " ")), err
	}).dial()
	if a := c.roundTrip(1, request(1, keepConn, "POST", "/", "abcdef")); a.body() != "abc def" {
		t.Errorf("%q", a.stdout)
	}
}
