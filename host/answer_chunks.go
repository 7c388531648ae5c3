package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"example.com/gateway/internal/chunks"
	"example.com/gateway/request"
)

// A chunkedBody is the body of an answer in chunks. It ends where the answer ends, with the
// answer's error.
type chunkedBody struct {
	body   *chunks.Reader
	answer *bufio.Reader
	err    error // of the last Read
}

// decodeChunks makes the body of an answer, whose head was read, what its chunks have.
func (a *answer) decodeChunks() {
	begin := bytes.Clone(a.buf[a.i:a.n])
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(begin), a.r), blockSize)
	a.r, a.i, a.n = &chunkedBody{body: chunks.NewReader(r, func() {}), answer: r}, 0, 0
}

func (c *chunkedBody) Read(p []byte) (n int, err error) {
	if c.err == nil {
		n, err = c.body.Read(p)
		c.err = c.reason(err)
	}
	return n, c.err
}

// reason returns what an error of the chunks says of the answer.
func (c *chunkedBody) reason(err error) error {
	switch {
	case err == io.ErrUnexpectedEOF:
		return fmt.Errorf("%w: its last chunk is missing", ErrCutShort)
	case errors.Is(err, request.ErrMalformed):
		return fmt.Errorf("%w: its chunks are malformed, or have more that is no data than data",
			ErrAnswer)
	case err != io.EOF:
		return err
	}
	if _, err := c.answer.ReadByte(); err != nil {
		return err
	}
	return fmt.Errorf("%w: it goes on behind its last chunk", ErrAnswer)
}
