package lambda_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/lambda"
)

// A script is a Runtime API in a synctest bubble, where time is not real. It answers as a test
// says.
type script struct {
	t      *testing.T
	answer func(r *asked) string // what is sent; close or wait stands for something else

	stalls atomic.Bool // the next body is not read

	mu    sync.Mutex
	conns int
	log   []*asked
}

// An asked is a request that a script got.
type asked struct {
	n, conn         int    // from 1; conn is the number of the connection
	what            string // "next", "response", "error" or "init"
	id, body        string
	header, trailer http.Header
	at              time.Time
}

// What an answer may stand for.
const (
	hangUp = "close" // the connection is closed
	wait   = "wait"  // nothing is sent until the server closes the connection
	more   = "..."   // at the end of an answer: then the connection is closed
)

const accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: " +
	"16\r\n\r\n{\"status\":\"OK\"}\n"

// event returns an answer to next.
func event(id string, timeout time.Duration, event string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: "+
		"%s\r\nLambda-Runtime-Deadline-Ms: %d\r\n"+
		"Lambda-Runtime-Invoked-Function-Arn: arn:test\r\nLambda-Runtime-Trace-Id: "+
		"Root=1\r\nContent-Length: %d\r\n\r\n%s",
		id, time.Now().Add(timeout).UnixMilli(), len(event), event)
}

func status(code int) string {
	return fmt.Sprintf("HTTP/1.1 %d Odd\r\nContent-Length: 7\r\n\r\n{\"a\":1}", code)
}

// get is an event of a function URL, albGet one of a load balancer, and restGet one of a REST API.
const (
	get = `{"version": "2.0", "rawPath": "/a", "requestContext": {"domainName": ` +
		`"a.lambda-url.b", "http": {"method": "GET"}}}`

	albGet = `{"httpMethod": "GET", "path": "/a", "headers": {"host": "a"}, "requestContext": ` +
		`{"elb": {}}}`

	albMultiGet = `{"httpMethod": "GET", "path": "/a", "multiValueHeaders": {"host": ["a"]}, ` +
		`"requestContext": {"elb": {}}}`

	restGet = `{"httpMethod": "GET", "path": "/a", "requestContext": {}}`
)

func (s *script) dial() (net.Conn, error) {
	server, client := net.Pipe()
	s.mu.Lock()
	s.conns++
	n := s.conns
	s.mu.Unlock()
	go s.serve(server, n)
	return client, nil
}

func (s *script) serve(nc net.Conn, n int) {
	defer nc.Close()
	for br := bufio.NewReader(nc); ; {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if r.ContentLength != 0 && s.stalls.Swap(false) {
			time.Sleep(30 * time.Second)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = append(body, " (cut short)"...)
		}
		a := &asked{conn: n, body: string(body), header: r.Header, trailer: r.Trailer,
			at: time.Now()}
		path, found := strings.CutPrefix(r.URL.Path, "/2018-06-01/runtime/")
		part := strings.Split(path, "/")
		switch {
		case !found:
		case r.Method == "GET" && path == "invocation/next":
			a.what = "next"
		case r.Method == "POST" && len(part) == 3:
			a.id, a.what = part[1], part[2]
		case r.Method == "POST" && path == "init/error":
			a.what = "init"
		}
		s.mu.Lock()
		s.log = append(s.log, a)
		a.n = len(s.log)
		s.mu.Unlock()
		answer := s.answer(a)
		switch answer {
		case hangUp:
			return
		case wait:
			_, _ = br.ReadByte()
			return
		}
		answer, ends := strings.CutSuffix(answer, more)
		if _, err := io.WriteString(nc, answer); err != nil || ends {
			return
		}
	}
}

// requests returns what the script got, without the waits for the next invocation.
func (s *script) requests() (list []*asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.log {
		if a.what != "next" {
			list = append(list, a)
		}
	}
	return list
}

// nexts returns how often the next invocation was asked for.
func (s *script) nexts() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.log {
		if a.what == "next" {
			n++
		}
	}
	return n
}

// inBubble runs a Server against a script in a bubble, and f beside both. After f the Server is
// closed. No goroutine may be left at the end. It returns what Serve has returned.
func inBubble(t *testing.T, server *lambda.Server, answer func(r *asked) string,
	f func(s *script)) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answer: answer}
		server.WithDial(s.dial)
		if server.ErrorLog == nil {
			server.ErrorLog = discard
		}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve() }()
		synctest.Wait()
		if f != nil {
			f(s)
		}
		synctest.Wait()
		server.Close()
		err = <-ended
	})
	return err
}

// newServer returns a Server with one loop.
func newServer(app gateway.ApplicationFunc) *lambda.Server {
	return (&lambda.Server{Application: app}).WithEnv(map[string]string{"AWS_LAMBDA_RUNTIME_API": "api:1"})
}

// invoke has a Server handle one event, and returns what it has posted.
func invoke(t *testing.T, server *lambda.Server, text string) (posted []*asked) {
	t.Helper()
	_ = inBubble(t, server, func(r *asked) string {
		switch {
		case r.what != "next":
			return accepted
		case r.n == 1:
			return event("id-1", time.Minute, text)
		}
		return wait
	}, func(s *script) {
		time.Sleep(time.Hour)
		posted = s.requests()
	})
	return posted
}
