package oneshot

import (
	"bufio"
	"errors"
	"math"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/socket"
	"example.com/gateway/request"
)

// A conn is a connection with its one request. It is the request's gateway.Transport
// (transport.go), and the lazyctx.Watcher of the request's Context (input.go).
type conn struct {
	// Set before the application is called, and read only after that.
	s              *Server
	nc             *acceptor.Conn
	serverProtocol string // as the host has sent it: the application may change its own

	// The application gets these by its Environ. They guard themselves.
	ctx  lazyctx.Context
	body request.Body

	// The way out, which belongs to the goroutine of Respond.
	w      socket.Writer
	head   []byte // held back until Flush or End
	block  []byte // held back behind the head, by reference
	whole  bool   // the response is whole, and all of it is sent
	failed bool   // to send failed: the host has left

	endsByClose bool // the head has no length: the response ends with the connection

	// The way in. Once the variables are read, it belongs to the goroutine that holds reading.
	reading sync.Mutex
	r       socket.Reader
	in      *bufio.Reader // of r

	mu         sync.Mutex // guards the rest
	left       int64      // bytes of the body that are still to be read from in
	isWatched  bool       // the application has asked for the Context's end
	isAnswered bool       // the end of a whole response is being sent, or was
	isOver     bool       // the response has ended
}

// inSize is the size of in, which holds the variables of most requests.
const inSize = 4 << 10

func newConn(s *Server, nc *acceptor.Conn) *conn {
	c := &conn{s: s, nc: nc}
	c.r.Init(nc.Conn)
	c.w.Init(nc.Conn)
	c.in = bufio.NewReaderSize(&c.r, inSize)
	return c
}

// readVars reads the variables of the request.
func (c *conn) readVars(vars *request.Builder) error {
	c.setReadDeadline(c.s.limits.ReadHeaderTimeout)
	return c.s.protocol.ReadVars(c.in, c.s.limits.MaxHeaderBytes, func(name, value string) error {
		if err := vars.Add(name, value); err == request.ErrHeaderTooLarge {
			return err // and nothing more is read
		}
		return nil // Finish returns any other error
	})
}

// respond answers the request. err is request.ErrHeaderTooLarge if not all variables were read.
func (c *conn) respond(vars *request.Builder, err error) {
	s := c.s
	c.ctx.Init(s.acceptor.Context(), c)
	env := &gateway.Environ{Input: &c.body, Errors: (*errorLog)(s), Multithread: true, Multiprocess: true}
	env = env.WithContext(&c.ctx)
	length, refusal := vars.Finish(env)
	c.serverProtocol = env.Vars["SERVER_PROTOCOL"]
	inFlight := s.inFlight.Add(1)
	isChunked := length < 0 && s.protocol.isChunked(env)
	switch {
	case err != nil:
		refusal = err
	case refusal != nil:
	case length < 0 && request.IsChunked(env) && !isChunked:
		refusal = request.ErrLengthRequired
	case inFlight > int64(s.limits.MaxRequests):
		refusal = request.ErrOverloaded
	}
	app := s.app
	if refusal != nil {
		app = request.Refuse(refusal)
	}
	switch {
	case isChunked, refusal != nil && (length < 0 || errors.Is(refusal, request.ErrMalformed)):
		c.left = math.MaxInt64 // all that the host sends
	case length > 0: // without a length there is no body, as hosts never close their sending half
		c.left = length
	}
	if isChunked {
		c.initChunks()
	} else {
		c.body.Init((*bodyReader)(c), c.left, request.NoLimit)
	}
	defer func() { // also when the application ends its goroutine
		s.inFlight.Add(-1)
		c.ctx.Cancel(gateway.ErrEnded)
		c.end()
	}()
	_ = gateway.Respond(app, env, c)
}

// end prepares the connection for its end: the host gets all of the response, or can tell that the
// response was cut off.
func (c *conn) end() {
	c.mu.Lock()
	c.isOver = true
	left := c.left
	c.mu.Unlock()
	switch {
	case !c.whole:
		c.nc.Reset()
	case left > 0:
		c.nc.Drain((*remainder)(c), left)
	}
}

// setReadDeadline gives the reads that follow their time. 0 is no limit.
func (c *conn) setReadDeadline(timeout time.Duration) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.nc.Conn.SetReadDeadline(deadline)
}
