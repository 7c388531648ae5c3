package form

import (
	"bytes"
	"io"
	"iter"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// Parts walks the parts of a multipart form (RFC 7578), in their order. It reads Input as the loop
// goes, with a buffer of at most 32 KiB and the head of one part, and keeps nothing else. The loop
// can be run once.
//
// After an error the loop ends. A loop that ends without an error has walked a whole form: Parts
// has seen the last boundary, and Input's own end. Until then a part may be that of a form which
// was cut short, so that whoever stores a part must be able to take it back.
//
// Parts is strict where lenient parsers differ:
//
//   - lines end with CR LF, and a boundary is a whole line. A line that only starts with the
//     boundary is malformed, since no client chooses a boundary that its data has;
//   - there is one boundary parameter, of 1 to 70 bytes (RFC 2046, 5.1.1);
//   - a part's headers are not folded and have no control characters. Content-Disposition,
//     Content-Type and Content-Transfer-Encoding are there once at most;
//   - Content-Disposition is form-data, and has one name and at most one filename. A "filename*",
//     which RFC 7578 forbids and some clients send beside the filename, is ignored there, and
//     malformed without one;
//   - Content-Transfer-Encoding, which RFC 7578 deprecates, is binary, 8bit or 7bit.
func Parts(env *gateway.Environ, limits Limits) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		limits := limits.withDefaults()
		kind, boundary, err := mediaType(env)
		var in input
		var length int64
		switch {
		case err != nil:
		case kind != multipart:
			err = newFault(request.ErrMediaType, header.Quote(kind)+" has no parts: use Parse")
		default:
			in, length, err = newInput(env, limits.MaxBytes)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		r := newReader(in, length, boundary, limits)
		for {
			part, err := r.next()
			if err == io.EOF || !yield(part, err) || err != nil {
				return
			}
		}
	}
}

// A Part is a field or a file of a multipart form, and a reader of its content. It can be read
// until the loop goes on to the next part, by one goroutine at a time.
type Part struct {
	// Name is the field's name, as it was sent.
	Name string

	// FileName is the last element of the file's name, behind any "/" or "\". It is not empty for a
	// file, and empty for a field, and for a file input in which the user chose nothing. It is
	// never "." or "..". It is still the client's word: make up a name to store the file under.
	FileName string

	// Header has the part's headers, among them the Content-Type that the client believes the file
	// to have.
	Header gateway.Headers

	r    *reader
	size int64
}

var _ interface {
	io.Reader
	io.WriterTo
} = (*Part)(nil)

// Read implements io.Reader. The content of a field is at most Limits.MaxFieldBytes; that of a file
// is bounded by Limits.MaxBytes alone. Read returns io.EOF when it has seen the boundary behind the
// part. Any other error is the one that the loop yields next.
func (p *Part) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	chunk, err := p.peek()
	if err != nil {
		return 0, err
	}
	n := copy(b, chunk)
	p.r.consume(n)
	return n, nil
}

// WriteTo implements io.WriterTo, so that io.Copy needs no buffer.
func (p *Part) WriteTo(w io.Writer) (total int64, err error) {
	for {
		chunk, err := p.peek()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(chunk)
		total += int64(n)
		p.r.consume(n)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// Value returns the rest of the part as a string, of at most Limits.MaxFieldBytes, also if the part
// is a file.
func (p *Part) Value() (string, error) {
	var b strings.Builder
	for {
		chunk, err := p.peek()
		if err == io.EOF {
			return b.String(), nil
		}
		if err == nil && len(chunk) > p.r.limits.MaxFieldBytes-b.Len() {
			err = p.r.fail(p.tooLarge())
		}
		if err != nil {
			return "", err
		}
		b.Write(chunk)
		p.r.consume(len(chunk))
	}
}

// Err returns the error of the form, if there is one: the loop yields it next. It tells whether the
// part or the writer is to blame for an io.Copy that has failed.
func (p *Part) Err() error { return p.r.failure }

// peek returns the next bytes of the content, and io.EOF at its end. They are valid until the next
// peek.
func (p *Part) peek() ([]byte, error) {
	if p.r.part != p {
		return nil, errOver
	}
	chunk, err := p.r.peek()
	if err == nil && p.FileName == "" &&
		p.size+int64(len(chunk)) > int64(p.r.limits.MaxFieldBytes) {
		return nil, p.r.fail(p.tooLarge())
	}
	return chunk, err
}

func (p *Part) tooLarge() error {
	return tooLarge(p.r.where(), "MaxFieldBytes", p.r.limits.MaxFieldBytes)
}

// A reader reads the parts of a multipart form.
type reader struct {
	in        input
	limits    Limits
	delimiter []byte // CR LF, "--" and the boundary (RFC 2046, 5.1.1)

	buf        []byte
	begin, end int // buf[begin:end] was read and not consumed
	known      int // how many bytes from begin are content for certain

	part    *Part // the current one
	parts   int
	atEnd   bool  // of the current part: its boundary is consumed
	isLast  bool  // the boundary was the closing one
	failure error // sticky
}

const bufferSize = 32 << 10

func newReader(in input, length int64, boundary string, limits Limits) *reader {
	r := &reader{in: in, limits: limits, delimiter: []byte("\r\n--" + boundary)}
	size := int64(bufferSize)
	if length >= 0 {
		size = min(size, max(length, 512)+3) // with the first CR LF, and room to see the end
	}
	r.buf = make([]byte, size)
	// The delimiter at the very beginning has no line break before it.
	r.end = copy(r.buf, "\r\n")
	return r
}

// values returns all parts, of which none may be a file.
func (r *reader) values() (Values, error) {
	values := Values{}
	for {
		part, err := r.next()
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		if part.FileName != "" {
			return nil, malformed(r.where() +
				" is a file, and this form has none: use Parts for files")
		}
		value, err := part.Value()
		if err != nil {
			return nil, err
		}
		values[part.Name] = append(values[part.Name], value)
	}
}

// next skips what is left of the current part, and returns the next, or io.EOF at the end of the
// form.
func (r *reader) next() (*Part, error) {
	if err := r.skip(); err != nil {
		return nil, r.fail(err)
	}
	r.part = nil
	if r.isLast {
		return nil, r.skipEpilogue()
	}
	r.parts++
	if r.parts > r.limits.MaxFields {
		return nil, r.fail(tooLarge("form: the number of parts", "MaxFields", r.limits.MaxFields))
	}
	head, err := r.head()
	if err != nil {
		return nil, r.fail(err)
	}
	part := &Part{r: r}
	if err := part.parseHead(head); err != nil {
		return nil, r.fail(malformed("form: part " + strconv.Itoa(r.parts) + ": " + err.Error()))
	}
	r.part, r.atEnd = part, false
	if len(part.Name) > r.limits.MaxFieldBytes {
		return nil, r.fail(part.tooLarge())
	}
	return part, nil
}

// skip drops what comes before the next part: the preamble, or the rest of the current part, whose
// limit holds for what the application does not read, too.
func (r *reader) skip() error {
	if r.part == nil {
		return r.skipPreamble()
	}
	for {
		chunk, err := r.part.peek()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.consume(len(chunk))
	}
}

// skipPreamble drops what comes before the first boundary. A boundary that does not start a line is
// malformed there: a parser that takes LF for a line break would see one part more.
func (r *reader) skipPreamble() error {
	boundary := r.delimiter[len("\r\n"):]
	for {
		chunk := r.buf[r.begin:r.end]
		if i := bytes.Index(chunk, boundary); i >= 0 {
			r.begin += i - len("\r\n")
			if !r.starts("\r\n") {
				return malformed(r.where() + ": there is no CR LF before the boundary")
			}
			return r.boundary()
		}
		r.begin += max(0, len(chunk)-len(r.delimiter)+1)
		if err := r.fill(); err != nil {
			return readFault(r.where(), err)
		}
	}
}

// peek returns the next bytes of the current part's content, and io.EOF at its end.
func (r *reader) peek() ([]byte, error) {
	for r.known == 0 {
		if r.failure != nil {
			return nil, r.failure
		}
		if r.atEnd {
			return nil, io.EOF
		}
		chunk := r.buf[r.begin:r.end]
		i := bytes.Index(chunk, r.delimiter)
		if i == 0 {
			if err := r.boundary(); err != nil {
				return nil, r.fail(err)
			}
			r.atEnd = true
			continue
		}
		if i < 0 {
			i = len(chunk) - r.startsDelimiter(chunk)
		}
		r.known = i
		if i > 0 {
			break
		}
		if err := r.fill(); err != nil {
			return nil, r.fail(readFault(r.where(), err))
		}
	}
	return r.buf[r.begin : r.begin+r.known], nil
}

// startsDelimiter returns how many bytes at the end of the chunk, which has no delimiter, may be
// the start of one. A delimiter has one CR, in front.
func (r *reader) startsDelimiter(chunk []byte) int {
	tail := chunk[max(0, len(chunk)-len(r.delimiter)+1):]
	i := bytes.LastIndexByte(tail, '\r')
	if i < 0 || !bytes.HasPrefix(r.delimiter, tail[i:]) {
		return 0
	}
	return len(tail) - i
}

// consume drops n bytes of what peek has returned.
func (r *reader) consume(n int) {
	r.begin += n
	r.known -= n
	r.part.size += int64(n)
}

// boundary consumes a delimiter and what follows it in its line. It leaves the line break of a
// boundary before a part.
func (r *reader) boundary() error {
	r.begin += len(r.delimiter)
	if err := r.have(2); err != nil {
		return readFault(r.where(), err)
	}
	if r.starts("--") {
		r.begin += 2
		r.isLast = true
	}
	for {
		err := r.have(1)
		if err == io.EOF && r.isLast {
			return nil
		}
		if err == nil && r.starts("\r") {
			err = r.have(2)
		}
		switch {
		case err != nil:
			return readFault(r.where(), err)
		case r.starts("\r\n"):
			return nil
		case !r.starts(" ") && !r.starts("\t"): // RFC 2046: transport-padding
			return malformed(r.where() +
				": the line of the boundary has something else, or no CR LF")
		}
		r.begin++
	}
}

// head consumes the headers of a part, up to the empty line behind them, and returns them. The
// buffer starts with the line break of the boundary before them.
func (r *reader) head() (string, error) {
	const end = "\r\n\r\n"
	where := "form: the head of part " + strconv.Itoa(r.parts)
	scanned, size := 0, 0
	for {
		chunk := r.buf[r.begin:r.end]
		i := bytes.Index(chunk[scanned:], []byte(end))
		if i >= 0 {
			size = scanned + i
			break
		}
		scanned = max(0, len(chunk)-len(end)+1)
		if size = scanned; size > r.limits.MaxHeadBytes {
			break
		}
		if err := r.fill(); err != nil {
			return "", readFault(where, err)
		}
	}
	if size > r.limits.MaxHeadBytes {
		return "", tooLarge(where, "MaxHeadBytes", r.limits.MaxHeadBytes)
	}
	if bytes.Contains(r.buf[r.begin:r.begin+size+2], r.delimiter) {
		return "", malformed(where + " has no end before the next boundary")
	}
	head := string(r.buf[r.begin+2 : r.begin+size+2])
	r.begin += size + 2
	// RFC 2046 lets the line break of the empty line be that of the delimiter, too.
	for {
		chunk := r.buf[r.begin:r.end]
		if bytes.HasPrefix(chunk, r.delimiter) {
			return head, nil
		}
		if !bytes.HasPrefix(r.delimiter, chunk) {
			r.begin += 2
			return head, nil
		}
		if err := r.fill(); err != nil {
			return "", readFault(where, err)
		}
	}
}

// skipEpilogue reads what follows the closing boundary, so that a body that was cut short there is
// noticed. It returns io.EOF if all is well.
func (r *reader) skipEpilogue() error {
	for {
		r.begin, r.end = 0, 0
		if err := r.fill(); err == io.EOF {
			return io.EOF
		} else if err != nil {
			return r.fail(readFault("form: after the last part", err))
		}
	}
}

// starts reports whether the buffer starts with s.
func (r *reader) starts(s string) bool {
	return r.end-r.begin >= len(s) && string(r.buf[r.begin:r.begin+len(s)]) == s
}

// have fills the buffer until it has n bytes.
func (r *reader) have(n int) error {
	for r.end-r.begin < n {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads once. It moves what the buffer has to its front if there is no room behind, and makes
// a larger buffer if there is none at all, which only a long head needs.
func (r *reader) fill() error {
	switch {
	case r.begin == r.end:
		r.begin, r.end = 0, 0
	case r.end < len(r.buf):
	case r.begin > 0:
		r.end = copy(r.buf, r.buf[r.begin:r.end])
		r.begin = 0
	default:
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.in.Read(r.buf[r.end:])
	r.end += n
	if n > 0 && err == io.EOF {
		err = nil // it comes again
	}
	return err
}

func (r *reader) fail(err error) error {
	if r.failure == nil {
		r.failure = err
	}
	r.known = 0
	return r.failure
}

// where names the current part, for errors.
func (r *reader) where() string {
	switch {
	case r.parts == 0:
		return "form: before the first part"
	case r.part == nil:
		return "form: part " + strconv.Itoa(r.parts)
	}
	return "form: part " + strconv.Itoa(r.parts) + " " + header.Quote(r.part.Name)
}
