// Package chunks decodes a body in chunks (RFC 9112, 7.1). Package httputil has such a decoder, and
// with it net/http.
package chunks

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"example.com/gateway/request"
)

// A Reader is the body. It returns io.EOF only after the last chunk and the trailer, which it
// drops, and io.ErrUnexpectedEOF if the source ends before.
type Reader struct {
	r       *bufio.Reader
	left    int64  // what is still to come of the chunk
	isBegun bool   // there was a chunk, whose line end is due
	excess  int64  // how many bytes more than a plain sender needs were no data
	onEnd   func() // is called at the end of the body
}

// maxExcess bounds extensions and trailers, as net/http does.
const maxExcess = 16 << 10

// Errors of Read. They wrap request.ErrMalformed.
var (
	// ErrMalformed is for chunks that are none.
	ErrMalformed = fmt.Errorf("%w: its body has malformed chunks", request.ErrMalformed)

	// ErrExcess is for extensions and trailers without end.
	ErrExcess = fmt.Errorf("%w: the chunks of its body have too much that is not data",
		request.ErrMalformed)
)

// NewReader returns the body whose chunks r has. The Reader calls onEnd at the end of the body,
// before Read returns io.EOF. Nobody may call Read after an error.
func NewReader(r *bufio.Reader, onEnd func()) *Reader { return &Reader{r: r, onEnd: onEnd} }

// Read implements io.Reader.
func (c *Reader) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, cutShort(err)
}

// next reads what there is before the data of a chunk. After the last chunk it reads the rest of
// the body, and returns io.EOF.
func (c *Reader) next() error {
	if c.isBegun {
		switch line, err := c.line(); {
		case err != nil:
			return err
		case line != "":
			return ErrMalformed
		}
	}
	c.isBegun = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";") // an extension
	if c.left, err = parseSize(strings.TrimRight(size, " \t")); err != nil {
		return err
	}
	if c.left > 0 {
		c.excess = max(0, c.excess-16-2*c.left)
		return nil
	}
	for line != "" {
		if line, err = c.line(); err != nil {
			return err
		}
	}
	c.onEnd()
	return io.EOF
}

// line reads a line, and returns it without its end. A line that ends with "\n" alone is malformed:
// another server may see no end there, and so another body.
func (c *Reader) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if c.excess += int64(len(line)); c.excess > maxExcess || errors.Is(err, bufio.ErrBufferFull) {
		return "", ErrExcess
	}
	if err != nil {
		return "", cutShort(err)
	}
	text, found := strings.CutSuffix(string(line), "\r\n")
	if !found || strings.Contains(text, "\r") {
		return "", ErrMalformed
	}
	return text, nil
}

// parseSize parses the size of a chunk: hexadecimal digits.
func parseSize(s string) (int64, error) {
	if strings.Trim(s, "0123456789abcdefABCDEF") != "" { // strconv would take a sign
		return 0, ErrMalformed
	}
	n, err := strconv.ParseInt(s, 16, 64)
	if err != nil {
		return 0, ErrMalformed
	}
	return n, nil
}

// cutShort returns io.ErrUnexpectedEOF for io.EOF, and any other error as it is.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
