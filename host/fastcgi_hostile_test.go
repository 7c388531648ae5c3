package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
)

const textHead = "Content-Type: text/plain\r\n\r\n"

func TestHostileFastCGIServers(t *testing.T) {
	whole := page(1, "hello")
	for _, test := range []struct {
		name, answer string
		code         int
		body         string
		is           error // nil for a whole answer
		says         string
	}{
		{"nothing", "", 502, "", ErrCutShort, "closed the connection without an answer"},
		{"half a header", whole[:3], 502, "", ErrCutShort, "before it has answered"},
		{"half a record", whole[:20], 502, "", ErrCutShort, "before the end of the answer"},
		{"no END_REQUEST", rec(stdout, 1, textHead+"hello") + rec(stdout, 1, ""), 200, "hello",
			ErrCutShort,
			"before the end of the answer"},
		{"half of END_REQUEST", whole[:len(whole)-1], 200, "hello", ErrCutShort,
			"before the end of the answer"},
		{"nothing but END_REQUEST", end(1, 0, 0), 502, "", ErrCutShort, "there is none"},
		{"a head that has no end", rec(stdout, 1, "A: b\r\n") + end(1, 0, 0), 502, "", ErrCutShort,
			"in its head"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 502, "", ErrAnswer,
			"is the address that of an HTTP server?"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", 502, "", ErrAnswer,
			`no record of FastCGI, but "SSH-2.0-OpenSSH_9.2\r\n"`},
		{"one byte of another protocol", "H", 502, "", ErrAnswer, `no record of FastCGI, but "H"`},
		{"another protocol behind a record", rec(stdout, 1, textHead+"hello") +
			"HTTP/1.1 400 Bad Request\r\n", 200, "hello",
			ErrAnswer, "no record"},
		{"a record of version 2", "\x02" + whole[1:], 502, "", ErrAnswer, "no record"},
		{"STDOUT of another request", page(2, "hello"), 502, "", ErrAnswer,
			"of request 2 in the answer to request 1"},
		{"STDOUT of another request in the middle", rec(stdout, 1, textHead+"hello") +
			rec(stdout, 2, "secret") + end(1, 0, 0),
			200, "hello", ErrAnswer, "of request 2"},
		{"STDERR of another request", rec(stderr, 2, "secret") + whole, 502, "", ErrAnswer,
			"of request 2"},
		{"END_REQUEST of another request", rec(stdout, 1, textHead+"hello") + end(2, 0, 0), 200,
			"hello", ErrAnswer, "of request 2"},
		{"STDOUT of no request", page(0, "hello"), 502, "", ErrAnswer, "of request 0"},
		{"STDIN", rec(stdin, 1, "hello") + whole, 502, "", ErrAnswer, "a record of type 5"},
		{"BEGIN_REQUEST", rec(beginRequest, 1, "\x00\x01\x00\x00\x00\x00\x00\x00") + whole, 502, "",
			ErrAnswer, "a record of type 1"},
		{"an unknown type", rec(stdout, 1, textHead+"hello") + rec(77, 1, "x") + end(1, 0, 0), 200,
			"hello", ErrAnswer, "of type 77"},
		{"UNKNOWN_TYPE", rec(11, 0, "\x05\x00\x00\x00\x00\x00\x00\x00") + whole, 502, "", ErrAnswer,
			"of request 0"},
		{"a response that is broken off", rec(stdout, 1, textHead+"hel") + rec(10, 0, ""), 200,
			"hel", ErrCutShort, "has broken off"},
		{"END_REQUEST of 7 bytes", rec(stdout, 1, textHead) + rec(endRequest, 1, "1234567"), 502,
			"", ErrAnswer, "of type 3 with 7"},
		{"END_REQUEST of 9 bytes", rec(stdout, 1, textHead) + rec(endRequest, 1, "123456789"), 502,
			"", ErrAnswer, "of type 3 with 9"},
		{"an empty END_REQUEST", rec(stdout, 1, textHead) + rec(endRequest, 1, ""), 502, "",
			ErrAnswer, "of type 3 with 0"},
		{"a program that has failed", rec(stdout, 1, textHead+"hello") + end(1, 3, 0), 200, "hello",
			ErrCutShort, "with the status 3"},
		{"a program that has failed at once", end(1, 0xFFFFFFFF, 0), 502, "", ErrCutShort,
			"with the status -1"},
		{"no multiplexing", end(1, 0, 1), 502, "", ErrAnswer, "protocol status 1"},
		{"overloaded", end(1, 0, 2), 503, "", ErrOverloaded, "says that it is overloaded"},
		{"no such role", end(1, 0, 3), 502, "", ErrAnswer, "protocol status 3"},
		{"a protocol status that nobody knows", rec(stdout, 1, textHead+"hello") + end(1, 0, 200),
			200, "hello", ErrAnswer, "status 200"},
		{"less than declared", rec(stdout, 1, "Content-Length: 6\n\nhello") + end(1, 0, 0), 200,
			"hello", gateway.ErrContentLength, ""},
		{"nothing in the records", rec(stdout, 1, "") + rec(stderr, 1, "") + whole, 200, "hello",
			nil, ""},
		{"STDOUT that goes on behind its end", rec(stdout, 1, textHead+"hel") + rec(stdout, 1, "") +
			rec(stdout, 1, "lo") + end(1, 0, 0),
			200, "hello", nil, ""},
		{"padding", rec(stdout, 1, textHead+"hel", 255) + rec(stderr, 1, "", 3) +
			rec(stdout, 1, "lo", 1) + rec(stdout, 1, "", 9) +
			rec(endRequest, 1, "\x00\x00\x00\x00\x00\x01\x02\x03", 200), 200, "hello", nil, ""},
		{"overloaded, with a page", rec(stdout, 1, "Status: 503\n"+textHead+"hello") + end(1, 0, 2),
			503, "hello", nil, ""},
		{"END_REQUEST twice", whole + end(1, 0, 2), 200, "hello", nil, ""},
		{"another answer behind the answer", whole + page(1, "secret"), 200, "hello", nil, ""},
		{"garbage behind the answer", whole + "HTTP/1.1", 200, "hello", nil, ""},
	} {
		for _, size := range []int{len(test.answer), 1} {
			b := newBackend(t, "unix", func(c net.Conn, _ int) {
				_, _ = readFCGI(bufio.NewReader(c))
				for i := 0; i < len(test.answer); i += max(1, size) {
					_, _ = io.WriteString(c, test.answer[i:min(i+size, len(test.answer))])
				}
			})
			for _, kept := range []int{0, 1} {
				app := &FastCGI{Addresses: b.address, MaxIdle: kept}
				r := get(app)
				app.CloseIdleConnections()
				isWhole := test.is == nil
				if r.Code() != test.code || isWhole && (r.Body() != test.body || !r.Whole ||
					r.Err != nil) {
					t.Errorf("%s: %s, %q, whole: %v, %v", test.name, r.Status, r.Body(), r.Whole,
						r.Err)
				}
				if isWhole {
					continue
				}
				if isPage := test.code >= 500; r.Whole != isPage || !isPage &&
					!strings.HasPrefix(test.body, r.Body()) {
					t.Errorf("%s: %s, %q, whole: %v", test.name, r.Status, r.Body(), r.Whole)
				}
				if !strings.Contains(r.Errors, test.says) && (size > 1 || test.is != ErrAnswer) {
					t.Errorf("%s: the log has %q, want %q", test.name, r.Errors, test.says)
				}
				if test.code >= 500 && !strings.Contains(r.Errors, test.is.Error()) ||
					test.code < 500 && !errors.Is(r.Err, test.is) {
					t.Errorf("%s: %v, the log has %q", test.name, r.Err, r.Errors)
				}
			}
		}
	}
}

// Servers that send without an end: each ends in bounded time and memory.
func TestFastCGIServersWithoutAnEnd(t *testing.T) {
	for _, test := range []struct {
		name, before, forever string
		code                  int
		says                  string
	}{
		{"says nothing", "", "", 504, "nothing came for"},
		{"half a head", rec(stdout, 1, "A: b\n"), "", 504, "nothing came for"},
		{"a head", "", rec(stdout, 1, "A: b\n"), 502, "its head is larger"},
		{"a head without a line", "", rec(stdout, 1, "AAAAAAAA"), 502, "its head is larger"},
		{"STDERR", "", rec(stderr, 1, strings.Repeat("x", 100)+"\n"), 504, "nothing came for"},
		{"STDERR in one line", "", rec(stderr, 1, strings.Repeat("x", 60000)), 504,
			"nothing came for"},
		{"empty records", "", rec(stdout, 1, ""), 504, "nothing came for"},
		{"STDERR behind the head", rec(stdout, 1, textHead+"hello"), rec(stderr, 1, "x\n"), 200,
			"nothing came for"},
		{"padding", rec(stdout, 1, textHead), rec(stdout, 1, "", 255), 200, "nothing came for"},
		{"END_REQUEST without its end", rec(stdout, 1, textHead+"hello") +
			"\x01\x03\x00\x01\x00\x08\x00\x00\x00", "", 200, "nothing came for"},
	} {
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			_, _ = readFCGI(bufio.NewReader(c))
			_, _ = io.WriteString(c, test.before)
			if test.forever == "" {
				readSome(c) // up to the end
				return
			}
			for block := strings.Repeat(test.forever, 1+10_000/len(test.forever)); ; {
				if _, err := io.WriteString(c, block); err != nil {
					return
				}
			}
		})
		limit := 100 * time.Millisecond
		if test.code == 502 {
			limit = 0 // 64 KiB may take a while
		}
		app := &FastCGI{Addresses: b.address, Options: Options{HeadTimeout: limit,
			ReadTimeout: limit}}
		r := get(app)
		if r.Code() != test.code || r.Whole != (test.code >= 500) ||
			!strings.Contains(r.Errors, test.says) {
			t.Errorf("%s: %s, whole: %v, %v; the log ends with %q", test.name, r.Status, r.Whole,
				r.Err,
				r.Errors[max(0, len(r.Errors)-200):])
		}
		if len(r.Errors) > 2*maxLog {
			t.Errorf("%s: the log has %d bytes", test.name, len(r.Errors))
		}
	}
}

// All of what a server sends behind a request that it has answered is dropped with its connection.
func TestWhatFollowsAnAnswerReachesNobody(t *testing.T) {
	for _, odd := range []string{"x", rec(stdout, 1, "secret"), rec(stdout, 2, textHead+"secret"),
		rec(stderr, 2, ""),
		page(2, "secret"), rec(10, 0, "")} {
		for _, delay := range []bool{false, true} {
			answered, sent := make(chan struct{}, 1), make(chan struct{}, 1)
			b := newBackend(t, "unix", func(c net.Conn, n int) {
				r := bufio.NewReader(c)
				for {
					q, err := readFCGI(r)
					if err != nil {
						return
					}
					if !delay {
						_, _ = io.WriteString(c, page(q.id, "hello")+odd)
						continue
					}
					_, _ = io.WriteString(c, page(q.id, "hello"))
					<-answered // the client has taken the answer for whole
					_, _ = io.WriteString(c, odd)
					sent <- struct{}{}
				}
			})
			app := &FastCGI{Addresses: b.address, MaxIdle: 5}
			for range 3 {
				r := get(app)
				if delay {
					answered <- struct{}{}
					<-sent
				}
				if r.Body() != "hello" || !r.Whole || r.Errors != "" {
					t.Fatalf("%q: %s, %q, %v, %q", odd, r.Status, r.Body(), r.Err, r.Errors)
				}
			}
			if n := b.accepted(); n != 3 {
				t.Errorf("%q: %d connections for 3 requests", odd, n)
			}
			app.CloseIdleConnections()
		}
	}
}

// A server that sends the rest of an answer only after the next request has come has nobody take it
// for the next answer.
func TestALateAnswerIsNotTheNextOnes(t *testing.T) {
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		r := bufio.NewReader(c)
		first, _ := readFCGI(r)
		_, _ = io.WriteString(c, page(first.id, "hello"))
		if second, err := readFCGI(r); err == nil {
			_, _ = io.WriteString(c, page(first.id, "late")+page(second.id, "hello"))
		}
	})
	app := &FastCGI{Addresses: b.address, MaxIdle: 5}
	defer app.CloseIdleConnections()
	if r := get(app); r.Body() != "hello" {
		t.Fatal(r.Body(), r.Errors)
	}
	if r := get(app); r.Code() != 502 || !strings.Contains(r.Errors, "in the answer to request") {
		t.Errorf("%s, %q, %q", r.Status, r.Body(), r.Errors)
	}
}

// expected is what a plain reader of the records of an answer finds in it.
func expected(in []byte, id uint16) (out, log []byte, whole bool) {
	for len(in) > 0 && in[0] == 1 {
		if len(in) < 8 {
			return out, log, false
		}
		kind, got := in[1], binary.BigEndian.Uint16(in[2:])
		size, padding := int(binary.BigEndian.Uint16(in[4:])), int(in[6])
		if got != id || kind != stdout && kind != stderr && (kind != endRequest || size != 8) {
			return out, log, false
		}
		content := in[8:min(8+size, len(in))]
		switch kind {
		case stdout:
			out = append(out, content...)
		case stderr:
			log = append(log, content...)
		case endRequest:
			return out, log, len(content) == 8 && (content[4] == 0 && bytes.Equal(content[:4],
				make([]byte, 4)) ||
				content[4] == 2 && len(out) > 0)
		}
		in = in[min(8+size+padding, len(in)):]
	}
	return out, log, false
}

// Whatever a server sends, in whatever pieces: the answer is what its records have, it is whole
// only if END_REQUEST says so, and nobody hangs.
func FuzzFastCGISession(f *testing.F) {
	for _, s := range recorded {
		if s.kind == "FastCGI" && len(s.answer) < 1000 {
			f.Add([]byte(s.answer), uint8(7), uint8(0))
		}
	}
	for _, s := range []string{
		page(1, "hello") + page(1, "hello"), end(1, 0, 2), end(1, 7, 0), rec(stdout, 1, "x", 255) +
			end(1, 0, 2),
		rec(stdout, 2, "x"), rec(10, 0, ""), rec(stdout, 1, "x", 3)[:10], "HTTP/1.1 200 OK\r\n\r\n",
		"\x01\x03\x00\x01\x00\x08\xff\x00",
	} {
		f.Add([]byte(s), uint8(1), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece, block uint8) {
		ours, theirs := net.Pipe()
		var log bytes.Buffer
		s := &fastCGISession{f: &FastCGI{}, ctx: context.Background(),
			conn: newFastCGIConn(ours, nil), isSent: true}
		s.answer.id, s.answer.log = 1, &log
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			for rest := in; len(rest) > 0; {
				n := min(1+int(piece), len(rest))
				if _, err := theirs.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		var out []byte
		var err error
		for buf := make([]byte, 1+int(block)); err == nil; {
			var n int
			n, err = s.Read(buf, 0)
			out = append(out, buf[:n]...)
			if n == 0 && err == nil {
				t.Fatal("a read of nothing")
			}
		}
		if n, again := s.Read(make([]byte, 9), 0); n > 0 || again != err {
			t.Errorf("another read: %d bytes, %v", n, again)
		}
		s.close()
		<-done
		want, stderr, whole := expected(in, 1)
		if string(out) != string(want) || (err == io.EOF) != whole {
			t.Errorf("%q, %v, want %q, whole: %v", out, err, want, whole)
		}
		if !bytes.HasPrefix(log.Bytes(), stderr) && !bytes.Contains(log.Bytes(),
			[]byte("RemoteRoot")) {
			t.Errorf("the log has %q, want %q", &log, stderr)
		}
		if err != io.EOF && !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrCutShort) &&
			!errors.Is(err, ErrOverloaded) {
			t.Errorf("the error is none of the package: %v", err)
		}
	})
}
