package host

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"example.com/gateway"
	"example.com/gateway/request"
)

// maxMemory is how much of a body is collected in memory.
const maxMemory = 64 << 10

// A body is the body of a request on its way to the program.
type body struct {
	length int64  // or -1: up to the end
	memory []byte // all of it, if it was collected and is small
	file   *os.File
	input  io.Reader // what is not collected
}

// newBody returns the body of a request. It collects the body if it must: whole says that a body of
// known length must be collected too. The errors wrap ErrStorage, or are errors of
// Environ.ContentLength and Input: request.ErrBodyTooLarge for one.
func (o *Options) newBody(env *gateway.Environ, whole bool) (*body, error) {
	limit := o.MaxBodyBytes
	switch {
	case limit == 0:
		limit = defaultMaxBodyBytes
	case limit < 0:
		limit = request.NoLimit
	}
	length, err := env.ContentLength()
	switch {
	case err != nil:
		return nil, err
	case length > limit:
		return nil, request.ErrBodyTooLarge
	case length == 0:
		return &body{}, nil
	}
	input := io.Reader(request.NewBody(env.Input, length, limit))
	if length < 0 && !request.IsChunked(env) {
		// Nearly each GET has neither a length nor a body, and only a read tells.
		var first [1]byte
		switch _, err := io.ReadFull(input, first[:]); err {
		case nil:
			input = io.MultiReader(bytes.NewReader(first[:]), input)
		case io.EOF:
			return &body{length: -1}, nil
		default:
			return nil, err
		}
	}
	if !o.Stream && (whole || length < 0) {
		return collect(input)
	}
	return &body{length: length, input: input}, nil
}

// collect reads all of r, which bounds itself.
func collect(r io.Reader) (*body, error) {
	var memory bytes.Buffer
	n, err := io.CopyN(&memory, r, maxMemory+1)
	switch {
	case err == nil:
	case err == io.EOF && n == 0:
		return &body{length: -1}, nil
	case err == io.EOF:
		return &body{length: n, memory: memory.Bytes()}, nil
	default:
		return nil, err
	}
	file, err := os.CreateTemp("", "gateway-body-*")
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrStorage, err)
	}
	_ = os.Remove(file.Name()) // it lives as long as it is open; where that is not possible, close removes it
	b := &body{file: file}
	size, err := io.Copy(storage{file}, io.MultiReader(&memory, r))
	b.length = size
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// storage is a file whose errors are told from those of the body's reader.
type storage struct{ *os.File }

func (s storage) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %v", ErrStorage, err)
	}
	return n, err
}

// ReadFrom hides that of the file, whose errors may be those of either side.
func (s storage) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{s}, r) }

// isEmpty reports whether the body has no byte, and whether that is known.
func (b *body) isEmpty() bool { return b.input == nil && b.file == nil && len(b.memory) == 0 }

// reader returns the reader of the whole body. It is called once.
func (b *body) reader() io.Reader {
	switch {
	case b.input != nil:
		return b.input
	case b.file != nil:
		return b.file
	}
	return bytes.NewReader(b.memory)
}

// close releases what is held. Nobody reads any more.
func (b *body) close() {
	if b.file != nil {
		b.file.Close()
		_ = os.Remove(b.file.Name())
		b.file = nil
	}
}
