package fcgi

import (
	"net"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/internal/socket"
	"example.com/gateway/request"
)

// A writer is the sending half of a connection.
type writer struct {
	conn    net.Conn
	timeout time.Duration

	mu       sync.Mutex // held to write
	deadline time.Time
	err      error // sticky
	socket.Writer
}

func (w *writer) init(conn net.Conn, timeout time.Duration) {
	w.conn, w.timeout = conn, timeout
	w.Init(conn)
}

// write sends whole records, and then more if that is not nil. w.mu is held.
func (w *writer) write(records []byte, more *net.Buffers) error {
	if w.err != nil {
		return w.err
	}
	w.setDeadline()
	var err error
	if more != nil {
		_, err = w.WriteBuffers(more)
	} else {
		_, err = w.Write(records)
	}
	return w.fail(err)
}

func (w *writer) setDeadline() {
	// Setting it costs as much as a record: a deadline that has three quarters left will do.
	if w.timeout > 0 && time.Until(w.deadline) < w.timeout*3/4 {
		w.deadline = time.Now().Add(w.timeout)
		_ = w.conn.SetWriteDeadline(w.deadline)
	}
}

// fail makes the error of a write, if it is one, the last.
func (w *writer) fail(err error) error {
	if err != nil {
		w.err = request.Disconnected(err)
		acceptor.EndByReset(w.conn) // a host that goes on to read must not take a response for whole
		w.conn.Close()              // what is left of the record would be read as the next one's header
	}
	return w.err
}

// write sends whole records. A write that fails is the end of the connection for all its requests.
func (c *conn) write(records []byte) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.failed(c.out.write(records, nil))
}

// writeFor is write for a request that must not have ended: its id may be another's by then. If
// ends is true it ends it.
func (c *conn) writeFor(r *call, records []byte, more *net.Buffers, ends bool) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if r.ended {
		return gateway.ErrEnded
	}
	r.ended = ends
	return c.failed(c.out.write(records, more))
}

func (c *conn) failed(err error) error {
	if err != nil {
		c.mu.Lock()
		for _, r := range c.requests {
			r.ctx.Cancel(err)
		}
		c.mu.Unlock()
	}
	return err
}
