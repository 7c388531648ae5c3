package fcgi

import "example.com/gateway/internal/fastcgi"

// A large part of a body goes from the socket to where the application wants it. A record is at
// most 64 KiB, and 32 or 8 of most hosts: to read each by itself costs several times as much as to
// take the headers out of what was read in one go.

// maxDirect is how much is read of several records in one go: what turns out not to be of the body
// needs a buffer of that size.
const maxDirect = 128 << 10

// readInto reads a part of the content of a STDIN record into p, and what it can of the records
// after it if they have the same body.
func (c *conn) readInto(p []byte) (n int, err error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	ahead := 0
	switch {
	case len(p) < c.left:
	case len(p) == c.left || c.plural: // with several requests at a time, what follows is as likely another's, and would only be put back
		p = p[:c.left]
		ahead = c.cur.Padding + fastcgi.HeaderSize
	default:
		p = p[:min(len(p), maxDirect)]
		ahead = fastcgi.HeaderSize
	}
	err = c.read(func() (err error) {
		n, err = c.moreInto(p, ahead)
		return err
	})
	if n > c.left {
		return c.unpack(p, n), nil
	}
	c.left -= n
	return n, err
}

// unpack makes a body of p[:n], which begins with the rest of a record's content, and returns how
// much of it p now has. What is not of the body is put back.
func (c *conn) unpack(p []byte, n int) (size int) {
	size = c.left
	rest := p[size:n]
	for c.left = 0; c.left == 0; {
		skipped := min(c.cur.Padding, len(rest))
		c.cur.Padding -= skipped
		rest = rest[skipped:]
		if len(rest) < fastcgi.HeaderSize {
			break
		}
		next, err := fastcgi.ParseHeader(rest)
		if err != nil || next.Kind != fastcgi.Stdin || next.ID != c.cur.ID || next.Length == 0 {
			break
		}
		rest = rest[fastcgi.HeaderSize:]
		moved := copy(p[size:], rest[:min(next.Length, len(rest))])
		size += moved
		rest = rest[moved:]
		c.cur, c.left = next, next.Length-moved
	}
	c.putBack(rest)
	if c.left > 0 { // what was read ahead is of it, and there is room where the headers were
		moved := copy(p[size:], c.buf[c.r:c.r+min(c.left, c.buffered())])
		c.take(moved)
		size += moved
	}
	clear(p[size:n]) // it may have been of another request
	return size
}
