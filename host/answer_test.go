package host

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// readAnswer reads an answer: its heads as "status|name: value|...", and its body.
func readAnswer(r io.Reader) (heads []string, body string, err error) {
	a := answer{r: r}
	for {
		h, err := a.readHead()
		if err != nil {
			return heads, "", err
		}
		text := h.status
		for name, value := range h.headers.All() {
			text += "|" + name + ": " + value
		}
		heads = append(heads, text)
		if h.code >= 200 {
			break
		}
	}
	var b strings.Builder
	for {
		block, err := a.next()
		b.Write(block)
		if err == io.EOF {
			return heads, b.String(), nil
		}
		if err != nil {
			return heads, b.String(), err
		}
	}
}

func TestTheHeadsOfAnswers(t *testing.T) {
	long := strings.Repeat("x", 60<<10)
	for _, test := range []struct{ name, answer, heads, body string }{
		{"CR LF", "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
			"200 OK|Content-Type: text/plain", "hello"},
		{"LF", "Status: 200 OK\nContent-Type: text/plain\n\nhello",
			"200 OK|Content-Type: text/plain", "hello"},
		{"both", "Status: 200 OK\r\nContent-Type: text/plain\n\r\n\nhello",
			"200 OK|Content-Type: text/plain", "\nhello"},
		{"no status", "Content-Type: text/plain\n\n", "200 OK|Content-Type: text/plain", ""},
		{"status in any case", "content-type: a/b\nsTATUS: 404 Gone fishing\n\n",
			"404 Gone fishing|content-type: a/b", ""},
		{"no reason", "Status: 404\nA: b\n\n", "404 Not Found|A: b", ""},
		{"no reason after a space", "Status: 404 \nA: b\n\n", "404 Not Found|A: b", ""},
		{"only a status", "Status: 204 No Content\n\n", "204 No Content", ""},
		{"a status that nobody knows", "Status: 299\nA: b\n\n", "299 Successful|A: b", ""},
		{"a status line", "HTTP/1.1 404 Not here\r\nA: b\r\n\r\nbody", "404 Not here|A: b", "body"},
		{"a status line without a reason", "HTTP/1.0 201\r\nA: b\r\n\r\nbody", "201 Created|A: b",
			"body"},
		{"a status line and a Status", "HTTP/1.1 404 Not here\r\nStatus: 200 OK\r\n\r\n",
			"404 Not here", ""},
		{"the same status twice", "Status: 200 OK\nStatus: 200 OK\nA: b\n\n", "200 OK|A: b", ""},
		{"space around a value", "A: \t b c \t\nB:\n\n", "200 OK|A: b c|B: ", ""},
		{"fields of the connection",
			"Connection: close\nKeep-Alive: 5\nTransfer-Encoding: chunked\nTE: x\nUpgrade: h2\n" +
				"Trailer: x\nProxy-Connection: x\nA: b\n\n", "200 OK|A: b", ""},
		{"cookies", "Set-Cookie: a=1\nSet-Cookie: b=2\n\n",
			"200 OK|Set-Cookie: a=1|Set-Cookie: b=2", ""},
		{"a Location elsewhere", "Location: http://a.example/b\n\n",
			"302 Found|Location: http://a.example/b", ""},
		{"a Location with a status", "Status: 201 Made\nLocation: /b\n\n", "201 Made|Location: /b",
			""},
		{"a Content-Length twice", "Content-Length: 3\nContent-Length: 3\n\nabc",
			"200 OK|Content-Length: 3", "abc"},
		{"an empty Content-Length", "Content-Length:\nA: b\n\nabc", "200 OK|A: b", "abc"},
		{"a Content-Type twice", "Content-Type: a/b\nContent-Type: a/b\n\n",
			"200 OK|Content-Type: a/b", ""},
		{"interim heads",
			"Status: 103 Early Hints\nLink: a\n\nHTTP/1.1 100 Continue\n\nStatus: 200 OK\nA: b\n\nbody",
			"103 Early Hints|Link: a, 100 Continue, 200 OK|A: b", "body"},
		{"bytes above ASCII", "A: \xe9\xff\nStatus: 200 \xe9\n\n", "200 \xe9|A: \xe9\xff", ""},
		{"a long value", "A: " + long + "\n\nbody", "200 OK|A: " + long, "body"},
		{"an empty line in the body", "A: b\n\n\n\nbody", "200 OK|A: b", "\n\nbody"},
	} {
		for _, reader := range []struct {
			name string
			of   func(io.Reader) io.Reader
		}{
			{"at once", func(r io.Reader) io.Reader { return r }},
			{"byte by byte", iotest.OneByteReader},
			{"with the end", iotest.DataErrReader},
		} {
			heads, body, err := readAnswer(reader.of(strings.NewReader(test.answer)))
			if got := strings.Join(heads, ", "); got != test.heads || body != test.body ||
				err != nil {
				t.Errorf("%s, %s: %.200q %q, %v; want %.200q %q", test.name, reader.name, got, body,
					err, test.heads, test.body)
			}
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	many := strings.Repeat("Status: 103 Early Hints\nLink: abcdefgh\n\n", 2000)
	for _, test := range []struct {
		name, answer string
		is           error
		says         string
	}{
		{"nothing", "", ErrCutShort, "there is none"},
		{"half a head", "Status: 200 OK\nContent-", ErrCutShort,
			`begins with "Status: 200 OK\nContent-"`},
		{"a head without its empty line", "Status: 200 OK\n", ErrCutShort, "in its head"},
		{"interim heads only", "Status: 103 Early Hints\n\n", ErrCutShort, "there is none"},
		{"a page without a head", "<html>\n<body>", ErrAnswer,
			`begins with "<html>", which is no header`},
		{"an empty line first", "\nhello", ErrAnswer, "is no header"},
		{"an empty line first, with CR", "\r\nhello", ErrAnswer, "is no header"},
		{"a line that is no header", "A: b\nhello\n\n", ErrAnswer, `"hello" is no header`},
		{"a folded line", "A: b\n c: d\n\n", ErrAnswer, `" c: d" is no header`},
		{"a space before the colon", "A : b\n\n", ErrAnswer, `"A : b" is no header`},
		{"a name that is no token", "A(: b\n\n", ErrAnswer, "is no header"},
		{"no name", ": b\n\n", ErrAnswer, "is no header"},
		{"a NUL in a value", "A: b\x00c\n\n", ErrAnswer, "A has a control character"},
		{"a CR in a value", "A: b\rc: d\n\n", ErrAnswer, "A has a control character"},
		{"a status that is none", "Status: OK\n\n", ErrAnswer, `the status "OK"`},
		{"a status with a sign", "Status: +20 OK\n\n", ErrAnswer, "the status"},
		{"a status of two digits", "Status: 20 OK\n\n", ErrAnswer, "the status"},
		{"a status below 100", "Status: 099 OK\n\n", ErrAnswer, "the status"},
		{"another protocol", "Status: 101 Switching Protocols\n\n", ErrAnswer, "the status"},
		{"two statuses", "Status: 200 OK\nStatus: 404 Not Found\n\n", ErrAnswer, "two statuses"},
		{"two lengths", "Content-Length: 3\nContent-Length: 4\n\n", ErrAnswer,
			`Content-Length "4"`},
		{"a length with a sign", "Content-Length: +3\n\n", ErrAnswer, "is no length"},
		{"a length beyond all", "Content-Length: 99999999999999999999\n\n", ErrAnswer,
			"is no length"},
		{"two types", "Content-Type: a/b\nContent-Type: c/d\n\n", ErrAnswer, "Content-Type twice"},
		{"two locations", "Location: /a\nLocation: /b\n\n", ErrAnswer, "Location twice"},
		{"no field", "Connection: close\n\n", ErrAnswer, "has no field"},
		{"a head that is too large", "A: " + strings.Repeat("x", maxHead) + "\n\n", ErrAnswer,
			"65536 bytes"},
		{"interim heads without end", many, ErrAnswer, "65536 bytes"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\n", ErrAnswer, "is no header"},
	} {
		for _, r := range []io.Reader{strings.NewReader(test.answer),
			iotest.OneByteReader(strings.NewReader(test.answer))} {
			_, _, err := readAnswer(r)
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) ||
				len(err.Error()) > 400 {
				t.Errorf("%s: %v; want %v that says %s", test.name, err, test.is, test.says)
			}
		}
	}
}

// A program that writes no end of its head is not read to its end.
func TestAHeadWithoutEndIsNotReadForEver(t *testing.T) {
	for _, piece := range []string{"A: b\n", "x", "\r"} {
		read := 0
		a := answer{r: readerFunc(func(p []byte) (int, error) {
			n := copy(p, strings.Repeat(piece, len(p)/len(piece)+1))
			read += n
			return n, nil
		})}
		if _, err := a.readHead(); !errors.Is(err, ErrAnswer) || read > 4*maxHead ||
			len(a.buf) > 4*maxHead {
			t.Errorf("%q: %v after %d bytes, with a buffer of %d", piece, err, read, len(a.buf))
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLocalRedirectsAreNothingButALocation(t *testing.T) {
	for text, want := range map[string]bool{
		"Location: /a?b\n\n":                         true,
		"location: /a\r\nConnection: close\r\n\r\n":  false,
		"Location: /a\nContent-Type: text/html\n\n":  false,
		"Location: /a\nStatus: 302 Found\n\n":        false,
		"Location: http://a.example/\n\n":            false,
		"Location: //a.example/\n\n":                 false,
		"Location: a\n\n":                            false,
		"Location:\nA: b\n\n":                        false,
		"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n": false,
		"Location: /a\nLocation: /a\n\n":             false,
		"Content-Length: 0\nLocation: /a\n\n":        false,
	} {
		a := &answer{r: strings.NewReader(text)}
		h, err := a.readHead()
		if err != nil || h.isLocal != want {
			t.Errorf("%q: local: %v, want %v (%v)", text, h.isLocal, want, err)
		}
	}
}

// The cut does not matter, and start takes whatever a head has.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
		"HTTP/1.1 404 Not here\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"Status: 103\nLink: a\n\nLocation: /x\n\n", "Content-Length: 5\nContent-Length:\n\nhello",
		"\n\n", "Status: 999\n\n",
	} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		heads, body, err := readAnswer(bytes.NewReader(data))
		cut := readerFunc(func() func(p []byte) (int, error) {
			r := bytes.NewReader(data)
			return func(p []byte) (int, error) { return r.Read(p[:min(len(p), 1+int(piece))]) }
		}())
		heads2, body2, err2 := readAnswer(cut)
		if strings.Join(heads, "\n") != strings.Join(heads2, "\n") || body != body2 ||
			(err == nil) != (err2 == nil) {
			t.Fatalf("at once %q %q %v, in pieces %q %q %v", heads, body, err, heads2, body2, err2)
		}
		if err != nil {
			if !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrCutShort) {
				t.Fatalf("the error %v", err)
			}
			return
		}
		if !bytes.HasSuffix(data, []byte(body)) {
			t.Fatalf("the body %q", body)
		}
		a := &answer{r: bytes.NewReader(data)}
		h, _ := a.readHead()
		for h.code < 200 {
			h, _ = a.readHead()
		}
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if _, err := start(h.status, h.headers, nil); err != nil {
				t.Fatalf("start refuses %q %q: %v", h.status, h.headers, err)
			}
			return gateway.Bytes(), errors.New("enough")
		}
		gatewaytest.Record(gateway.ApplicationFunc(app), gatewaytest.NewEnviron("GET", "/", nil))
	})
}
