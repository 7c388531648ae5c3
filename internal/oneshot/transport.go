package oneshot

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/internal/socket"
	"example.com/gateway/request"
)

var (
	_ gateway.Transport = (*conn)(nil)
	_ io.ReaderFrom     = (*conn)(nil)
)

const (
	// headSize is the capacity that most heads fit.
	headSize = 512

	// maxCopy is up to which size the first block is copied behind the head. A larger block leaves
	// with the head by writev(2).
	maxCopy = 16 << 10

	// copySize is how much of a file is read at a time if sendfile(2) cannot send the file.
	copySize = 32 << 10
)

// lastTry is how long a send may take that comes after one without success.
const lastTry = 10 * time.Millisecond

// WriteHead implements gateway.Transport.
func (c *conn) WriteHead(status string, headers gateway.Headers) error {
	c.endsByClose = headers.Get("Content-Length") == ""
	c.head = c.s.protocol.AppendHead(make([]byte, 0, headSize), status, headers, c.serverProtocol)
	return nil
}

// Write implements gateway.Transport. It sends the block before, if that is held back, and holds
// this one back.
func (c *conn) Write(block []byte) (int, error) {
	if c.block != nil {
		if err := c.Flush(); err != nil {
			return 0, err
		}
	}
	c.block = block
	return len(block), nil
}

// Flush implements gateway.Transport. The head and the first block leave in one system call.
func (c *conn) Flush() error {
	head, block := c.head, c.block
	c.head, c.block = nil, nil
	var bufs net.Buffers
	switch {
	case head == nil && block == nil:
		return nil
	case head == nil:
		bufs = net.Buffers{block}
	case len(block) <= maxCopy:
		bufs = net.Buffers{append(head, block...)}
	default:
		bufs = net.Buffers{head, block}
	}
	_, err := c.send(bufs)
	return request.Disconnected(err)
}

// End implements gateway.Transport. A response without a length ends with the sending half of the
// connection. If the response was cut off, End does not send the bytes that are held back.
func (c *conn) End(whole bool) error {
	if !whole {
		if !c.failed {
			time.Sleep(acceptor.BreakPause)
		}
		return nil
	}
	c.mu.Lock()
	c.isAnswered = true
	c.mu.Unlock()
	err := c.Flush()
	c.whole = err == nil
	if c.whole && c.endsByClose {
		_ = c.nc.CloseWrite() // otherwise the host would wait for the body's Close
	}
	return err
}

// ReadFrom implements io.ReaderFrom for a part of a file, which Respond hands out as an
// *io.LimitedReader. It sends the part by sendfile(2) where there is one. Package net's own
// ReadFrom will not do: when the deadline passes it may have read more than it has sent, and cannot
// go on.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	part := src.(*io.LimitedReader)
	if err := c.Flush(); err != nil {
		return 0, err
	}
	ended := false
	sent, err := c.insist(func() (n int64, err error) {
		n, ended, err = socket.SendFile(c.nc.Conn, part)
		return n, err
	})
	if err != nil || ended {
		return sent, request.Disconnected(err)
	}
	for buf := make([]byte, copySize); ; {
		n, err := part.Read(buf)
		if n > 0 {
			m, err := c.send(net.Buffers{buf[:n]})
			if sent += m; err != nil {
				return sent, request.Disconnected(err)
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil { // the file cannot be read, and the client has not left
			return sent, err
		}
	}
}

// send sends all of bufs.
func (c *conn) send(bufs net.Buffers) (int64, error) {
	return c.insist(func() (int64, error) {
		if len(bufs) > 1 {
			return c.w.WriteBuffers(&bufs)
		}
		n, err := c.w.Write(bufs[0]) // the usual case, which needs no writev(2)
		bufs[0] = bufs[0][n:]
		return int64(n), err
	})
}

// insist calls send until all is sent: each call goes on where the one before has stopped at its
// deadline. It gives up when the host has accepted nothing for WriteTimeout, so that a slow client
// may take its time.
//
// A socket that is full says that there is room again only when much of what it holds is gone. A
// host that reads slowly can take longer than WriteTimeout for that. So a call without success is
// followed by another, which finds the little room that there is.
func (c *conn) insist(send func() (int64, error)) (sent int64, err error) {
	timeout := c.s.limits.WriteTimeout
	for isLast := false; ; {
		switch {
		case isLast:
			_ = c.nc.Conn.SetWriteDeadline(time.Now().Add(lastTry))
		case timeout > 0:
			_ = c.nc.Conn.SetWriteDeadline(time.Now().Add(timeout))
		}
		n, err := send()
		sent += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || isLast && n == 0 {
			c.failed = err != nil
			return sent, err
		}
		isLast = n == 0
	}
}
