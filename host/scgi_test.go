package host

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// readNetstring reads the variables of a request of SCGI, in their order.
func readNetstring(r *bufio.Reader) (vars [][2]string, err error) {
	size, err := r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(size[:len(size)-1])
	if err != nil {
		return nil, err
	}
	b := make([]byte, n+1)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if b[n] != ',' || b[n-1] != 0 {
		return nil, fmt.Errorf("no netstring: %q", b)
	}
	list := strings.Split(string(b[:n-1]), "\x00")
	for i := 0; i < len(list); i += 2 {
		vars = append(vars, [2]string{list[i], list[i+1]})
	}
	return vars, nil
}

// readPacket reads the variables of a request of uwsgi.
func readPacket(r *bufio.Reader) (modifier byte, vars [][2]string, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	b := make([]byte, binary.LittleEndian.Uint16(head[1:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, nil, err
	}
	var list []string
	for len(b) > 0 {
		n := binary.LittleEndian.Uint16(b)
		list = append(list, string(b[2:2+n]))
		b = b[2+n:]
	}
	for i := 0; i < len(list); i += 2 {
		vars = append(vars, [2]string{list[i], list[i+1]})
	}
	return head[0], vars, nil
}

// The example of the SCGI specification, and what is always there.
func TestTheBytesOfSCGI(t *testing.T) {
	for _, test := range []struct {
		vars []variable
		want string
	}{
		{[]variable{{"CONTENT_LENGTH", "27"}, {"REQUEST_METHOD", "POST"},
			{"REQUEST_URI", "/deepthought"}},
			"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00" +
				"REQUEST_URI\x00/deepthought\x00,"},
		{nil, "24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,"},
		{[]variable{{"A", ""}, {"SCGI", "2"}}, "27:CONTENT_LENGTH\x000\x00SCGI\x001\x00A\x00\x00,"},
	} {
		if got, err := appendSCGIHead(nil, test.vars); string(got) != test.want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, test.want)
		}
	}
}

func TestTheBytesOfUWSGI(t *testing.T) {
	got, err := appendUWSGIPacket(nil, 14, []variable{{"AB", "c"}, {"D", ""}, {"E",
		strings.Repeat("x", 258)}})
	want := "\x0e\x13\x01\x00\x02\x00AB\x01\x00c\x01\x00D\x00\x00\x01\x00E\x02\x01" +
		strings.Repeat("x", 258)
	if string(got) != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, n := range []int{0xFFFF - 5, 0xFFFF - 4} {
		_, err := appendUWSGIPacket(nil, 0, []variable{{"A", strings.Repeat("x", n)}})
		if tooLarge := 5+n > 0xFFFF; errors.Is(err, ErrVariables) != tooLarge {
			t.Errorf("%d bytes: %v", 5+n, err)
		}
	}
}

// What a server gets: CONTENT_LENGTH always has the length of the body. A body of unknown length is
// counted first, or is in chunks where the protocol has some.
func TestTheBodiesOfSCGIAndUWSGI(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	for _, kind := range []string{"SCGI", "uwsgi"} {
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			r := bufio.NewReader(c)
			var vars [][2]string
			var err error
			if kind == "SCGI" {
				vars, err = readNetstring(r)
			} else {
				_, vars, err = readPacket(r)
			}
			if err != nil {
				t.Error(err)
				return
			}
			set := map[string]string{}
			for _, v := range vars {
				if _, found := set[v[0]]; found {
					t.Errorf("%s: %s twice", kind, v[0])
				}
				set[v[0]] = v[1]
			}
			if kind == "SCGI" && (vars[0][0] != "CONTENT_LENGTH" || set["SCGI"] != "1") {
				t.Errorf("%q", vars)
			}
			body := ""
			if length, found := set["CONTENT_LENGTH"]; found {
				n, err := strconv.Atoi(length)
				if err != nil {
					t.Errorf("%s: CONTENT_LENGTH %q", kind, length)
				}
				all := make([]byte, n)
				_, err = io.ReadFull(r, all)
				body = fmt.Sprintf("%s %s %v", length, all, err)
			} else {
				all := ""
				for !strings.HasSuffix(all, "0\r\n\r\n") {
					line, err := r.ReadString('\n')
					if all += line; err != nil {
						t.Error(err)
						return
					}
				}
				body = fmt.Sprintf("%s %s", set["HTTP_TRANSFER_ENCODING"],
					strings.ReplaceAll(all, "\r\n", "|"))
			}
			_, _ = io.WriteString(c, "Status: 200 OK\r\n"+textHead+body)
		})
		for _, test := range []struct {
			name    string
			body    io.Reader
			chunked bool
			stream  bool
			want    string
		}{
			{"none", nil, false, false, "0  <nil>"},
			{"none, streamed", nil, false, true, "0  <nil>"},
			{"known", strings.NewReader("hello"), false, false, "5 hello <nil>"},
			{"known, streamed", strings.NewReader("hello"), false, true, "5 hello <nil>"},
			{"large", strings.NewReader(large), false, false, "100000 " + large + " <nil>"},
			{"large, streamed", strings.NewReader(large), false, true, "100000 " + large +
				" <nil>"},
			{"unknown", undeclared("hello"), true, false, "5 hello <nil>"},
			{"unknown and large", undeclared(large), true, false, "100000 " + large + " <nil>"},
			{"unknown and empty", undeclared(""), true, false, "0  <nil>"},
			{"unknown, streamed", undeclared("hello"), true, true,
				"5 hello <nil>|chunked 5|hello|0||"},
			{"unknown, not chunked, streamed", undeclared("hello"), false, true,
				"5 hello <nil>|chunked 1|h|4|ello|0||"},
			{"unknown and empty, streamed", undeclared(""), true, true, "0  <nil>|chunked 0||"},
		} {
			env := gatewaytest.NewEnviron("POST", "/", test.body)
			if test.chunked {
				env.Vars["HTTP_TRANSFER_ENCODING"] = "chunked"
			}
			want, chunks, both := strings.Cut(test.want, "|")
			if both && kind == "uwsgi" {
				want = chunks
			}
			r := gatewaytest.Record(client(kind, b.address, Options{Stream: test.stream}), env)
			if r.Body() != want || !r.Whole {
				t.Errorf("%s, %s: %.100q, want %.100q; %v, %q", kind, test.name, r.Body(), want,
					r.Err, r.Errors)
			}
		}
	}
}

func TestModifier1(t *testing.T) {
	got := make(chan byte, 1)
	b := newBackend(t, "unix", func(c net.Conn, _ int) {
		modifier, _, _ := readPacket(bufio.NewReader(c))
		got <- modifier
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	})
	get(&UWSGI{Addresses: b.address, Modifier1: 9})
	if m := <-got; m != 9 {
		t.Errorf("modifier1 is %d", m)
	}
}

func TestVariablesThatSCGIAndUWSGIHaveNoRoomFor(t *testing.T) {
	b := newBackend(t, "unix", func(c net.Conn, _ int) {})
	for _, test := range []struct {
		kind string
		n    int
		code int
		says string
	}{
		{"SCGI", 1 << 20, 431, "and may have 1048576"},
		{"SCGI", 5000, 502, "and uWSGI takes 4096 unless its option buffer-size says otherwise\n"},
		{"SCGI", 1000, 502, "without an answer\n"},
		{"uwsgi", 1 << 16, 431, "has room for 65535"},
		{"uwsgi", 5000, 502, "and uWSGI takes 4096 unless its option buffer-size says otherwise\n"},
		{"uwsgi", 1000, 502, "without an answer\n"},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["HTTP_X"] = strings.Repeat("x", test.n)
		r := gatewaytest.Record(client(test.kind, b.address, Options{}), env)
		if r.Code() != test.code || !strings.Contains(r.Errors, test.says) {
			t.Errorf("%s, %d: %s, the log has %q, want %q", test.kind, test.n, r.Status, r.Errors,
				test.says)
		}
	}
}

// The end of the connection is the end of an answer, unless a length or a reset tells otherwise.
func TestHostileSCGIAndUWSGIServers(t *testing.T) {
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	for _, test := range []struct {
		name, answer string
		then         func(c net.Conn)
		code         int
		whole        bool
		says         string
	}{
		{"nothing", "", nil, 502, true, "without an answer"},
		{"a reset", "", reset, 502, true, "without an answer"},
		{"half a head", "Status: 200 OK\r\n", nil, 502, true, "in its head"},
		{"a page without a head", "<html>\n", nil, 502, true, "which is no header"},
		{"garbage", "\x00\x01\x02\n", nil, 502, true, "which is no header"},
		{"FastCGI", page(1, "hello"), nil, 502, true, "malformed answer"},
		{"too little", "Content-Length: 6\r\n\r\nhello", nil, 200, false, "wrong Content-Length"},
		{"too much", "Content-Length: 4\r\n\r\nhello", nil, 200, true, "wrong Content-Length"},
		{"a length", "Content-Length: 5\r\n\r\nhello", nil, 200, true, ""},
		{"no length", textHead + "hello", nil, 200, true, ""},
		{"no body", textHead, nil, 200, true, ""},
		{"says nothing", "", func(c net.Conn) { readSome(c) }, 504, true, "nothing came for"},
		{"stops in its head", "Status: 200\r\n", func(c net.Conn) { readSome(c) }, 504, true,
			"nothing came for"},
		{"stops in its body", textHead + "hello", func(c net.Conn) { readSome(c) }, 200, false,
			"nothing came for"},
		{"a head without an end", strings.Repeat("A: b\r\n", 20_000), nil, 502, true,
			"its head is larger"},
	} {
		for _, kind := range []string{"SCGI", "uwsgi"} {
			for _, network := range []string{"unix", "tcp"} {
				if network == "unix" && test.name == "a reset" {
					continue
				}
				b := newBackend(t, network, func(c net.Conn, _ int) {
					r := bufio.NewReader(c)
					if kind == "SCGI" {
						_, _ = readNetstring(r)
					} else {
						_, _, _ = readPacket(r)
					}
					_, _ = io.WriteString(c, test.answer)
					if test.then != nil {
						test.then(c)
					}
				})
				limit := 100 * time.Millisecond
				if test.code != 504 && !strings.Contains(test.says, "nothing came") {
					limit = patience
				}
				r := get(client(kind, b.address, Options{HeadTimeout: limit, ReadTimeout: limit}))
				if r.Code() != test.code || r.Whole != test.whole ||
					!strings.Contains(r.Errors, test.says) {
					t.Errorf("%s, %s: %s, %q, whole: %v, %v, the log has %q, want %q",
						kind, test.name, r.Status, r.Body(), r.Whole, r.Err, r.Errors, test.says)
				}
			}
		}
	}
}

// A reset in the middle of an answer is no end, and the message has the usual cause.
func TestAResetIsNoEnd(t *testing.T) {
	// The system tells of a reset once. It may be a write to which it does.
	bodies := slices.Repeat([]string{strings.Repeat("x", 8<<20)}, 10)
	for _, body := range append(bodies, "", "hello") {
		answered := make(chan struct{})
		b := newBackend(t, "tcp", func(c net.Conn, _ int) {
			_, _, _ = readPacket(bufio.NewReader(c))
			_, _ = io.WriteString(c, textHead+"hel")
			<-answered
			_ = c.(*net.TCPConn).SetLinger(0)
		})
		app := gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			body, err := (&UWSGI{Addresses: b.address}).Call(env, start)
			return gateway.Map(body, func(block []byte) []byte { close(answered); return block }),
				err
		})
		r := post(app, body)
		hint := strings.Contains(r.Errors, "post-buffering")
		if r.Whole || r.Body() != "hel" || !errors.Is(r.Err, ErrCutShort) ||
			!strings.Contains(r.Errors, "has reset") || hint != (body != "") {
			t.Errorf("%.9q: %s, %q, whole: %v, %q", body, r.Status, r.Body(), r.Whole, r.Errors)
		}
	}
}

// A client that leaves ends the connection, in whatever stage.
func TestAClientThatLeavesAStream(t *testing.T) {
	for _, answer := range []string{"", "Content-", textHead + "hello"} {
		for _, upload := range []bool{false, true} {
			ctx, leave := context.WithCancelCause(context.Background())
			ended := make(chan struct{})
			b := newBackend(t, "tcp", func(c net.Conn, _ int) {
				defer close(ended)
				r := bufio.NewReader(c)
				if _, err := readNetstring(r); err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(c, answer)
				leave(gateway.ErrDisconnected)
				_, _ = io.Copy(io.Discard, r) // up to the end
			})
			var body io.Reader
			if upload {
				pr, pw := io.Pipe()
				defer pw.Close()
				context.AfterFunc(ctx, func() { pw.CloseWithError(gateway.ErrDisconnected) })
				body = pr
			}
			env := gatewaytest.NewEnviron("POST", "/", body).WithContext(ctx)
			if upload {
				env.Vars["CONTENT_LENGTH"] = "100"
			}
			r := gatewaytest.Record(&SCGI{Addresses: b.address, Options: Options{Stream: true}},
				env)
			if !errors.Is(r.Err, gateway.ErrDisconnected) {
				t.Errorf("%q: %s, %v", answer, r.Status, r.Err)
			}
			<-ended
		}
	}
}

// A server that takes no byte of a request is a slow one.
func TestAServerThatReadsNothing(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	b := newBackend(t, "unix", func(c net.Conn, _ int) { <-stop })
	vars := map[string]string{}
	for i := range 15 {
		vars[fmt.Sprintf("X%d", i)] = strings.Repeat("x", 60_000)
	}
	o := Options{Vars: vars, HeadTimeout: 100 * time.Millisecond}
	for _, kind := range []string{"FastCGI", "SCGI"} {
		if r := get(client(kind, b.address, o)); r.Code() != 504 ||
			!strings.Contains(r.Errors, ErrTimeout.Error()) {
			t.Errorf("%s: %s, %q", kind, r.Status, r.Errors)
		}
	}
	o.Vars = nil
	for _, kind := range []string{"FastCGI", "SCGI", "uwsgi"} {
		r := post(client(kind, b.address, o), strings.Repeat("x", 4<<20))
		if r.Code() != 504 || !strings.Contains(r.Errors, ErrTimeout.Error()) {
			t.Errorf("%s, a large body: %s, %q", kind, r.Status, r.Errors)
		}
	}
}
