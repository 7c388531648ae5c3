package gatewaytest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
)

// TestApplication runs an application through the failures that a server can have, at every step,
// and checks that the application takes each of them as it should. For middleware use
// [TestMiddleware], which looks at both of its sides.
//
// The requests, usually from [NewEnviron], must be requests that can be repeated. TestApplication
// reads their bodies once, at the start, and sends each request many times. Without requests it
// sends GET / and HEAD /.
//
// TestApplication runs each request through gateway.Respond,
//
//   - twice with nothing failing, and once more at the end;
//   - with the k-th WriteHead, Write, Flush or End failing, for every k: with an error, with an
//     error that wraps gateway.ErrDisconnected, and, for Write, with half of the block;
//   - with the k-th Read of Input failing, for every k: with an error, and with
//     io.ErrUnexpectedEOF;
//   - with the request's body cut after every byte, delivered byte by byte, and with io.EOF beside
//     its last bytes;
//   - with the Context cancelled before Call, and at every call of start, Read, WriteHead and
//     Write;
//   - with every Read, WriteHead and Write taking a while.
//
// Of more than 256 steps TestApplication tries only the 1st, 2nd, 4th, 8th and so on, and the last.
//
// In each run the application must come back. An application hangs if, for ten seconds, it neither
// reads, nor calls start, nor sends anything. A hang ends the test. The application must not panic,
// nor break a rule that Respond enforces, such as a second start without a cause. When the response
// is over it must not use start, the writer or Input any more, and must not leave a goroutine
// behind. TestApplication waits some seconds for goroutines to end. The goroutines of a pool may
// stay: they do not become more when the run is repeated.
//
// The application must not take half a request for a whole one. If Input fails before the end of
// the body, an answer with a status below 400 must differ from the answer to a complete body of
// just the bytes that were read. An application that does not read the body, or that answers with
// an error, passes.
//
// The application must not swallow an error of the writer. If it goes on writing after such an
// error, it must return an error from Call, or the first thing that its body yields must be an
// error. It may also just stop, as a body does when yield returns false.
//
// Where nothing fails, and where everything just takes a while, the application must give the same
// answer each time: the status, the names of the headers, and the body. The values of headers, such
// as Date, are free. Before TestApplication takes a difference for a failure, it repeats the
// request a few times with the failure and without. It stops comparing bodies that differ without
// any failure, that have the same bytes in another order, as racing goroutines make them, or that
// have other numbers, as a clock does. It stops comparing the names of headers that come and go.
// It logs what it does not compare. After a thousand blocks or ten seconds it ends a response as a
// client does that leaves, and compares the beginnings.
//
// In a bubble of testing/synctest all of this happens in virtual time, and "a while" is a second
// rather than a millisecond. That is the way to test an application that waits, but not for one
// that uses the network:
//
//	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, newTicker()) })
//
// If the application leaves goroutines behind, synctest panics at the end of the bubble, after
// TestApplication has said where the goroutines come from.
//
// A failure names the request, the step and the rule; the application is to blame. TestApplication
// may be called from parallel tests.
func TestApplication(t *testing.T, app gateway.Application, requests ...*gateway.Environ) {
	t.Helper()
	testApplication(t, app, applicationPatience, requests)
}

// applicationPatience is how long an application may do nothing. It is long, since a wrong verdict
// on a busy machine is worse than a slow verdict on an application that hangs.
const applicationPatience = 10 * time.Second

// A reporter is the part of a testing.TB that a trial needs.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

func testApplication(t reporter, app gateway.Application, patience time.Duration, environs []*gateway.Environ) {
	t.Helper()
	if app == nil {
		t.Errorf("gatewaytest: TestApplication needs an application, not nil")
		return
	}
	newTrial(app, patience).tryAll(t, newTestRequests(t, patience, environs), "")
}

// newTestRequests reads the bodies of the requests, and returns the requests that can be sent.
func newTestRequests(t reporter, patience time.Duration, environs []*gateway.Environ) (list []*testRequest) {
	t.Helper()
	if len(environs) == 0 {
		environs = []*gateway.Environ{NewEnviron("GET", "/", nil), NewEnviron("HEAD", "/", nil)}
	}
	for i, env := range environs {
		q, err := newTestRequest(env, patience)
		if err != nil {
			t.Errorf("gatewaytest: request %d of the test: %v", i+1, err)
			continue
		}
		list = append(list, q)
	}
	return list
}

// tryAll runs the application with all requests, and reports whether it has come back from each.
// what is added to the name of a request.
func (a *trial) tryAll(t reporter, list []*testRequest, what string) bool {
	t.Helper()
	for _, q := range list {
		fresh := &testRequest{env: q.env, body: q.body, name: q.name + what}
		a.try(fresh)
		fresh.report(t)
		if a.hangs {
			t.Logf("gatewaytest: after a hang nothing more is tried")
			return false
		}
	}
	return true
}

// A testRequest is a request that can be sent again and again.
type testRequest struct {
	env  *gateway.Environ
	body []byte
	name string // such as "POST /upload"

	first     *run      // the first run, in which nothing failed
	began     time.Time // when the first run began
	failed    bool      // later runs may have had failures
	freeBody  bool      // the body differs where nothing fails, and is not compared
	freeNames bool      // the names of the headers differ where nothing fails, and are not compared

	findings []*finding
	notes    []string
}

// maxRequestBody is how much of a request's body is kept in memory. It also bounds the number of
// steps.
const maxRequestBody = 64 << 20

// newTestRequest reads the body of env.
func newTestRequest(env *gateway.Environ, patience time.Duration) (*testRequest, error) {
	if env == nil {
		return nil, errors.New("it is nil")
	}
	name := env.Vars["REQUEST_METHOD"] + " " + env.Vars["SCRIPT_NAME"] + env.Vars["PATH_INFO"]
	if query := env.Vars["QUERY_STRING"]; query != "" {
		name += "?" + query
	}
	q := &testRequest{env: env, name: strings.ToValidUTF8(name, "?")}
	if env.Input != nil {
		body, err := readBody(env.Input, patience)
		if err != nil {
			return nil, err
		}
		q.body = body
	}
	switch length, err := env.ContentLength(); {
	case err != nil:
		return nil, err
	case length >= 0 && length != int64(len(q.body)):
		return nil, fmt.Errorf("CONTENT_LENGTH is %d and Input has %d bytes", length, len(q.body))
	}
	return q, nil
}

// readBody reads the body of a request, and gives up after some time.
func readBody(in io.Reader, patience time.Duration) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		body, err := io.ReadAll(io.LimitReader(in, maxRequestBody+1))
		done <- result{body, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("its Input fails: %w", r.err)
		}
		if len(r.body) > maxRequestBody {
			return nil, fmt.Errorf("its Input has more than %d bytes", maxRequestBody)
		}
		return r.body, nil
	case <-timer.C:
		return nil, fmt.Errorf("its Input does not end within %v", patience)
	}
}
