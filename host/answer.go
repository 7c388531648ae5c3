package host

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// The head of an answer: that of RFC 3875, 6, or of HTTP/1.x, as the four protocols have it.

// maxHead is the size of all heads of an answer, those of interim answers included.
const maxHead = 64 << 10

// A head is the head of an answer that was checked: start takes it.
type head struct {
	code    int
	status  string
	headers gateway.Headers
	length  int64 // Content-Length, or -1
	chunked bool  // Transfer-Encoding says so
	isHTTP  bool  // the answer has begun with a status line
	isLocal bool  // nothing but a Location with a path: a local redirect
}

// An answer is what comes from a program: heads, and then a body.
type answer struct {
	r    io.Reader
	buf  []byte // its capacity holds a block of the body
	n    int    // of buf: what has come of r
	i    int    // of buf: what was read of that
	used int    // by heads
}

// blockSize is how much of a body is read at a time.
const blockSize = 32 << 10

// blocks are buffers of answers.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// giveBack gives back the buffer. Nobody may use a block any more.
func (a *answer) giveBack() {
	if len(a.buf) == blockSize {
		blocks.Put((*[blockSize]byte)(a.buf))
	}
	a.buf, a.i, a.n = nil, 0, 0
}

// readHead reads the next head. At the end of r before a head is whole, readHead returns r's error,
// or ErrCutShort.
func (a *answer) readHead() (head, error) {
	for searched := 0; ; {
		if end, next := endOfHead(a.buf[a.i:a.n], searched); next > 0 {
			text := a.buf[a.i : a.i+end]
			a.i += next
			if a.used += next; a.used > maxHead {
				return head{}, fmt.Errorf("%w: its head is larger than %d bytes", ErrAnswer, maxHead)
			}
			return parseHead(string(text))
		}
		if err := a.checkBegin(); err != nil {
			return head{}, err
		}
		if a.used+a.n-a.i > maxHead {
			return head{}, fmt.Errorf("%w: its head is larger than %d bytes, or has no end",
				ErrAnswer, maxHead)
		}
		searched = max(0, a.n-a.i-2) // the end of a line that may be the last
		if err := a.more(); err != nil {
			if err == io.EOF {
				err = a.endless()
			}
			return head{}, err
		}
	}
}

// endless says of an answer that has ended in its head what has come.
func (a *answer) endless() error {
	if a.n == a.i {
		return fmt.Errorf("%w: there is none", ErrCutShort)
	}
	return fmt.Errorf("%w in its head, which begins with %s", ErrCutShort,
		header.Quote(string(a.buf[a.i:a.n])))
}

// checkBegin refuses what cannot become a head, rather than wait for its end: a page without a head
// for one.
func (a *answer) checkBegin() error {
	line, _, found := bytes.Cut(a.buf[a.i:a.n], []byte("\n"))
	if !found || isStatusLine(string(line)) || bytes.IndexByte(line, ':') > 0 {
		return nil
	}
	return fmt.Errorf("%w: it begins with %s, which is no header", ErrAnswer,
		header.Quote(string(line)))
}

// more reads more of r into buf.
func (a *answer) more() error {
	if a.i > 0 && a.i == a.n {
		a.i, a.n = 0, 0
	}
	if a.n == len(a.buf) {
		grown := []byte(nil)
		if a.buf == nil {
			grown = blocks.Get().(*[blockSize]byte)[:]
		} else {
			grown = make([]byte, 2*len(a.buf))
		}
		n := copy(grown, a.buf[a.i:a.n])
		a.giveBack()
		a.buf, a.n = grown, n
	}
	for range 100 {
		n, err := a.r.Read(a.buf[a.n:])
		a.n += n
		if n > 0 {
			return nil // the error comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// hasBlock reports whether next returns a block without a read.
func (a *answer) hasBlock() bool { return a.i < a.n }

// hasRoom reports whether more adds to the block that next returns.
func (a *answer) hasRoom() bool { return a.n < len(a.buf) }

// has reports whether next returns n bytes or more. A negative n is no number.
func (a *answer) has(n int64) bool { return n >= 0 && int64(a.n-a.i) >= n }

// next returns the next block of the body, which is valid until next is called again.
func (a *answer) next() ([]byte, error) {
	if !a.hasBlock() {
		if err := a.more(); err != nil {
			return nil, err
		}
	}
	block := a.buf[a.i:a.n]
	a.i = a.n
	return block, nil
}

// endOfHead returns where the lines of a head end, and where what follows the empty line begins, or
// 0. No empty line ends before from.
func endOfHead(b []byte, from int) (end, next int) {
	for i := from; ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return 0, 0
		}
		i += k + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i, i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i, i + 2
		}
	}
}

// isStatusLine reports whether a line is an HTTP/1.x status line.
func isStatusLine(line string) bool {
	return strings.HasPrefix(line, "HTTP/1.") && len(line) > len("HTTP/1.x ") &&
		line[len("HTTP/1.x")] == ' '
}

// parseHead parses the lines of a head. Each line ends with LF or CR LF (RFC 3875, 6.2).
func parseHead(text string) (h head, err error) {
	h.length = -1
	status, location := "", ""
	lines := 0
	for ; text != ""; lines++ {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line = strings.TrimSuffix(line, "\r")
		if lines == 0 && isStatusLine(line) {
			h.isHTTP = true
			status = strings.Trim(line[len("HTTP/1.x "):], " ")
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !header.IsToken(name) {
			return h, fmt.Errorf("%w: %s is no header", ErrAnswer, header.Quote(line))
		}
		value = strings.Trim(value, " \t")
		if header.HasControl(value, true) {
			return h, fmt.Errorf("%w: the value of %s has a control character: %s", ErrAnswer, name,
				header.Quote(value))
		}
		switch header.KindOf(name) {
		case header.Status:
			if status != "" && !h.isHTTP && status != value {
				return h, fmt.Errorf("%w: two statuses, %s and %s", ErrAnswer, header.Quote(status),
					header.Quote(value))
			}
			if !h.isHTTP { // the status line is more than a field of that name
				status = value
			}
			continue
		case header.HopByHop:
			if strings.EqualFold(name, "Transfer-Encoding") && strings.EqualFold(value, "chunked") {
				h.chunked = true
			}
			continue
		case header.ContentLength:
			if value == "" { // as some programs have it that know no length
				continue
			}
			length, ok := header.ParseLength(value)
			if !ok || h.length >= 0 && length != h.length {
				return h, fmt.Errorf("%w: the Content-Length %s is no length, or is another than before",
					ErrAnswer, header.Quote(value))
			}
			if h.length >= 0 {
				continue
			}
			h.length = length
		case header.ContentType, header.Location:
			if seen := h.headers.Get(name); seen == value && seen != "" {
				continue
			} else if seen != "" {
				return h, fmt.Errorf("%w: %s twice, with %s and %s", ErrAnswer, name,
					header.Quote(seen), header.Quote(value))
			}
			if header.KindOf(name) == header.Location {
				location = value
			}
		}
		h.headers = append(h.headers, [2]string{name, value})
	}
	if status == "" && len(h.headers) == 0 {
		return h, fmt.Errorf("%w: its head has no field", ErrAnswer)
	}
	switch {
	case status != "":
	case location == "":
		status = "200"
	default:
		status = "302"
		h.isLocal = lines == 1 && location[0] == '/' && !strings.HasPrefix(location, "//")
	}
	return h, h.setStatus(status)
}

// setStatus sets the code and the status. It adds the reason that the program has left out.
func (h *head) setStatus(s string) error {
	digits, reason, _ := strings.Cut(s, " ")
	code, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || code < 100 || code == 101 {
		return fmt.Errorf("%w: the status %s", ErrAnswer, header.Quote(s))
	}
	h.code = code
	if reason = strings.Trim(reason, " \t"); reason == "" || header.HasControl(reason, false) {
		h.status = gateway.Status(code)
	} else {
		h.status = digits + " " + reason
	}
	return nil
}
