package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	patience = 4 * time.Second // for one answer
	maxReply = 1 << 20         // bytes of an answer, with its head, that are read
)

// A client sends requests as they are given to it: net/http's client would correct them.
type client struct {
	dialer        func(ctx context.Context, network, address string) (net.Conn, error)
	tls           *tls.Config // nil for http
	address, host string      // to dial, and for the header Host
	path          string      // of the page, as in its URL, without a slash at the end
	slash         string      // that slash
	token, auth   string      // headers' values
}

// newClient returns a client for the URL of a page.
func newClient(page string, config *tls.Config) (*client, error) {
	u, err := url.Parse(page)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // the whole has the token in it
		}
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: want http://host/path or https://host/path", ErrURL)
	}
	c := &client{
		dialer: new(net.Dialer).DialContext,
		host:   u.Host,
		path:   u.EscapedPath(),
		token:  u.Query().Get("token"),
	}
	port := u.Port()
	if u.Scheme == "https" {
		if config == nil {
			config = &tls.Config{}
		}
		c.tls = config.Clone()
		c.tls.NextProtos = []string{"http/1.1"}
		if c.tls.ServerName == "" {
			c.tls.ServerName = u.Hostname()
		}
		if port == "" {
			port = "443"
		}
	} else if port == "" {
		port = "80"
	}
	if strings.ContainsAny(c.token, "\r\n\x00") {
		return nil, fmt.Errorf("%w: the token has a control character", ErrURL)
	}
	c.address = net.JoinHostPort(u.Hostname(), port)
	if strings.HasSuffix(c.path, "/") {
		c.path, c.slash = c.path[:len(c.path)-1], "/"
	} else if c.path == "" {
		c.slash = "/"
	}
	if u.User != nil {
		password, _ := u.User.Password()
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(u.User.Username(), password)
		c.auth = r.Header.Get("Authorization")
	}
	return c, nil
}

func (c *client) scheme() string {
	if c.tls != nil {
		return "https"
	}
	return "http"
}

// A call is a request.
type call struct {
	method string   // GET if it is ""
	path   string   // behind the page's, as it is sent; "" is the page's own
	query  string   // as it is sent
	fields []string // header lines
	size   int64    // of the body, with a Content-Length, if it is positive
	chunks int      // of 10 kB, without a length, if it is positive
	expect bool     // with Expect: 100-continue
	keep   bool     // the connection is not asked to close
}

func (c *client) head(r call) string {
	method, path := r.method, r.path
	if method == "" {
		method = "GET"
	}
	if path == "" {
		path = c.slash
	}
	var b strings.Builder
	b.WriteString(method + " " + c.path + path)
	if r.query != "" {
		b.WriteString("?" + r.query)
	}
	b.WriteString(
		" HTTP/1.1\r\nHost: " + c.host + "\r\nUser-Agent: gateway-doctor\r\n" +
			"Accept: application/json\r\n",
	)
	if c.token != "" {
		b.WriteString(tokenHeader + ": " + c.token + "\r\n")
	}
	if c.auth != "" {
		b.WriteString("Authorization: " + c.auth + "\r\n")
	}
	for _, field := range r.fields {
		b.WriteString(field + "\r\n")
	}
	if !r.keep {
		b.WriteString("Connection: close\r\n")
	}
	if r.expect {
		b.WriteString("Expect: 100-continue\r\n")
	}
	if r.size > 0 {
		b.WriteString(
			"Content-Type: application/octet-stream\r\nContent-Length: " + strconv.FormatInt(
				r.size,
				10,
			) + "\r\n",
		)
	}
	if r.chunks > 0 {
		b.WriteString("Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n")
	}
	return b.String() + "\r\n"
}

// A conn is a connection of a client. It ends with its context.
type conn struct {
	net.Conn
	limit *io.LimitedReader // of what one answer may have
	r     *bufio.Reader     // reads from limit
	stop  func() bool
}

func (c *client) dial(ctx context.Context) (*conn, error) {
	nc, err := c.dialer(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	if c.tls != nil {
		secure := tls.Client(nc, c.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, err
		}
		nc = secure
	}
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
	}
	// The deadline is the connection's own: whoever waits for it learns that, and not of a Close.
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			nc.Close()
		}
	})
	limit := &io.LimitedReader{R: nc}
	return &conn{nc, limit, bufio.NewReader(limit), stop}, nil
}

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// reset leaves so that the other side cannot but notice.
func (c *conn) reset() {
	nc := c.Conn
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if t, ok := nc.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.stop()
	nc.Close()
}

// A reply is an answer.
type reply struct {
	code        int
	header      http.Header
	length      int64 // Content-Length, or -1
	body        string
	err         error         // of the body: it is not whole
	first, last time.Duration // when the first and the last byte of the body came
	sent        int64         // bytes of the request's body, when the answer began
	continued   time.Duration // when 100 came; 0 if it did not
}

// do sends a request and reads the answer while it sends.
func (c *client) do(ctx context.Context, r call) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceFor(r))
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return c.exchange(conn, r)
}

func patienceFor(r call) time.Duration {
	if r.size > 10<<20 {
		return 2 * time.Minute
	}
	return patience
}

// exchange is do on a connection that is there.
func (c *client) exchange(conn *conn, r call) (*reply, error) {
	begin := time.Now()
	conn.limit.N = maxReply
	if _, err := io.WriteString(conn, c.head(r)); err != nil {
		return nil, err
	}
	var sent atomic.Int64
	goOn := make(chan struct{}, 1)
	over := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r.expect {
			timer := time.NewTimer(time.Second)
			defer timer.Stop()
			select {
			case <-goOn:
			case <-timer.C:
			case <-over:
				return
			}
		}
		r.send(conn, &sent)
	}()
	defer func() {
		close(over)
		if !r.keep {
			conn.Close()
		}
		<-done
	}()
	method := r.method
	if method == "" {
		method = "GET"
	}
	answer := &reply{}
	for range 6 {
		res, err := http.ReadResponse(conn.r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if res.StatusCode == 100 && answer.continued == 0 {
			answer.continued = max(1, time.Since(begin))
			goOn <- struct{}{}
		}
		if res.StatusCode < 200 {
			continue
		}
		answer.code, answer.header, answer.length = res.StatusCode, res.Header, res.ContentLength
		answer.sent = sent.Load()
		answer.read(res.Body, begin)
		return answer, nil
	}
	return nil, errors.New("it sends nothing but 1xx answers")
}

// read reads the body, and notes when it came.
func (a *reply) read(body io.Reader, begin time.Time) {
	var b strings.Builder
	block := make([]byte, 16<<10)
	for {
		n, err := body.Read(block)
		if n > 0 {
			a.last = time.Since(begin)
			if b.Len() == 0 {
				a.first = a.last
			}
			b.Write(block[:n])
		}
		if err != nil {
			if err != io.EOF {
				a.err = err
			}
			a.body = b.String()
			return
		}
	}
}

// send sends the body of a request.
func (r call) send(w io.Writer, sent *atomic.Int64) {
	if r.chunks > 0 {
		block := strings.Repeat("c", 10_000)
		for range r.chunks {
			n, err := io.WriteString(w, fmt.Sprintf("%x\r\n%s\r\n", len(block), block))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
		io.WriteString(w, "0\r\n\r\n")
		return
	}
	block := make([]byte, 64<<10)
	for left := r.size; left > 0; {
		n, err := w.Write(block[:min(left, int64(len(block)))])
		sent.Add(int64(n))
		left -= int64(n)
		if err != nil {
			return
		}
	}
}

// isTimeout reports whether nothing came for too long.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// why says in one line why there was no answer.
func why(err error) string {
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case isTimeout(err):
		return "nothing came for " + patience.String()
	case errors.As(err, &unknown):
		return "there is no host " + show(unknown.Name, 100)
	case errors.As(err, &certificate):
		return "its certificate is not good: " + show(certificate.Err.Error(), 200)
	case errors.As(err, &record):
		return "it does not speak TLS: try http://"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closes the connection without an answer"
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return "the probe was stopped"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return show(op.Op+": "+op.Err.Error(), 200)
	}
	return "it does not answer in HTTP: " + show(err.Error(), 200)
}
