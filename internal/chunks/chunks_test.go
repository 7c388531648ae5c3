package chunks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway/internal/chunks"
)

func TestWhatIsABodyInChunks(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 100_000)
	var many strings.Builder
	for range 10_000 { // each has a few bytes that are no data, and all may have many
		many.WriteString("1;a=b\r\nx\r\n")
	}
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"no chunk", "0\r\n\r\n", "", nil},
		{"one", "5\r\nhello\r\n0\r\n\r\n", "hello", nil},
		{"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", nil},
		{"line ends in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", nil},
		{"a size in hexadecimal", "fF\r\n" + strings.Repeat("x", 255) + "\r\n0\r\n\r\n",
			strings.Repeat("x", 255), nil},
		{"a size with zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello", nil},
		{"larger than a buffer", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big), big, nil},
		{"extensions", "5;a=b;c\r\nhello\r\n0 ;d\r\n\r\n", "hello", nil},
		{"trailers", "5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n", "hello", nil},
		{"what follows", "5\r\nhello\r\n0\r\n\r\n5\r\nmore!\r\n", "hello", nil},
		{"many small ones", many.String() + "0\r\n\r\n", strings.Repeat("x", 10_000), nil},

		{"nothing", "", "", io.ErrUnexpectedEOF},
		{"no last chunk", "5\r\nhello\r\n", "hello", io.ErrUnexpectedEOF},
		{"half a chunk", "5\r\nhel", "hel", io.ErrUnexpectedEOF},
		{"no end of the trailers", "0\r\nA: b\r\n", "", io.ErrUnexpectedEOF},
		{"no end of the body", "0\r\n", "", io.ErrUnexpectedEOF},

		{"no size", "\r\nhello\r\n0\r\n\r\n", "", chunks.ErrMalformed},
		{"only an extension", ";a\r\nhello", "", chunks.ErrMalformed},
		{"a sign", "+5\r\nhello\r\n0\r\n\r\n", "", chunks.ErrMalformed},
		{"a negative size", "-5\r\nhello", "", chunks.ErrMalformed},
		{"a prefix", "0x5\r\nhello", "", chunks.ErrMalformed},
		{"an underscore", "1_0\r\nhello", "", chunks.ErrMalformed},
		{"a space in front", " 5\r\nhello", "", chunks.ErrMalformed},
		{"not a number", "five\r\nhello", "", chunks.ErrMalformed},
		{"a size that overflows", "8000000000000000\r\nx", "", chunks.ErrMalformed},
		{"a size of 17 digits", "10000000000000000\r\nx", "", chunks.ErrMalformed},
		{"LF alone", "5\nhello\r\n0\r\n\r\n", "", chunks.ErrMalformed},
		{"CR CR LF", "5\r\r\nhello", "", chunks.ErrMalformed},
		{"CR in an extension", "5;a\rb\r\nhello", "", chunks.ErrMalformed},
		{"a chunk longer than its size", "5\r\nhello!\r\n0\r\n\r\n", "hello", chunks.ErrMalformed},
		{"LF alone in the trailers", "0\r\nA: b\n\r\n", "", chunks.ErrMalformed},
		{"a body that is not coded", "a=1&b=2", "", io.ErrUnexpectedEOF},
		{"a line without an end", strings.Repeat("0", 5000), "", chunks.ErrExcess},
		{"long extensions", strings.Repeat("1;"+strings.Repeat("a", 2000)+"\r\nx\r\n", 20),
			"xxxxxxxx", chunks.ErrExcess},
		{"endless trailers", "0\r\n" + strings.Repeat("A: b\r\n", 10_000), "", chunks.ErrExcess},
	} {
		for name, in := range map[string]io.Reader{"at once": strings.NewReader(c.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
			"with its end": iotest.DataErrReader(strings.NewReader(c.in))} {
			ends := 0
			r := chunks.NewReader(bufio.NewReader(in), func() { ends++ })
			got, err := io.ReadAll(r)
			if (ends == 1) != (err == nil) {
				t.Errorf("%s, %s: the end was told %d times, and the error is %v", c.name, name,
					ends, err)
			}
			if string(got) != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("%s, %s: %.60q, %v, want %.60q, %v", c.name, name, got, err, c.want, c.err)
			}
		}
	}
}

func read(r io.Reader) io.Reader { return chunks.NewReader(bufio.NewReader(r), func() {}) }

// A body that is whole here is the same to net/http, however it arrives.
func FuzzChunks(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\n\r\n")
	f.Add("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nmore")
	f.Add("0\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := io.ReadAll(read(strings.NewReader(in)))
		again, oerr := io.ReadAll(read(iotest.OneByteReader(strings.NewReader(in))))
		if string(got) != string(again) || fmt.Sprint(err) != fmt.Sprint(oerr) {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", got, err, again, oerr)
		}
		if err != nil {
			return
		}
		want, werr := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(in)))
		if string(want) != string(got) || werr != nil {
			t.Errorf("%q: %q, and net/http has %q, %v", in, got, want, werr)
		}
	})
}
