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

// TestApplication runs an application through the failures that a server can have, at every step, and checks that it takes each
// as it should. Middleware is for [TestMiddleware]: its outside does not show whether it closes the inner body (R21) and passes its
// blocks on (R94-R97), and only validate.Middleware sees both sides. The requests, usually from [NewEnviron], are such as the
// application can answer; without any it is GET / and HEAD /. Their bodies are read once, at the start.
//
// For each request the application is run, through gateway.Respond,
//
//   - twice with nothing failing, and once more at the end;
//   - with the k-th WriteHead or Write failing, for every k: with an error, with one that wraps gateway.ErrDisconnected, and short;
//   - with the k-th Read of Input failing, for every k: with an error, and with io.ErrUnexpectedEOF;
//   - with the request's body cut after every byte; delivered byte by byte; and with io.EOF beside its last bytes;
//   - with the Context cancelled before Call, and at every call of start, Read, WriteHead and Write;
//   - with every Read, WriteHead and Write taking its time.
//
// Of a long body or response, "every" is the powers of two and the last.
//
// In each run the application must come back: ten seconds without a read, a call of start or something sent is a hang, which ends
// the test. It must not panic, nor break a rule that Respond enforces, such as a second start without a cause. When its response
// is over it must use start, the writer and Input no more, and must leave no goroutine: one that ends within seconds is waited
// for, and those of a pool, which do not become more when the run is repeated, are the application's own. It must not take half a
// request for a whole one: if Input fails before the end of the body, an answer below 400 that is the same as for a
// complete body of so many bytes is a failure; so an application that reads nothing, or answers with an error, passes. Nor may it
// swallow an error of the writer: one that writes on after it has to return an error, from Call or first of all from its body. To
// stop is enough, as it is for a body whose yield returned false.
//
// Where nothing fails, it must give the same answer each time: the status, the names of the headers, and the body. A request must
// therefore be one that can be repeated. Values of headers are free (Date), and so is what differs by itself: before a difference is
// held against the application, the request is repeated a few times, with the failure and without. A body that is another one
// then, that has its bytes in another order, as goroutines make them, or that has other numbers, as a clock does, is not compared
// any more; nor are names that come and go. That is logged. An answer below 400 to a slow client must be the same, too. A response
// without an end is cut, as by a client that leaves, after a thousand blocks or ten seconds.
//
// Called in a bubble of testing/synctest, all of this happens in virtual time, and the delays are of a second each: the way
// for an application that waits, but not for one that uses the network. Otherwise they are of a millisecond.
//
//	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, newTicker()) })
//
// There the end of the test panics over goroutines that are left, as synctest does, once TestApplication has said whose they are.
//
// A failure names the request, the step and the rule; the application is to blame. TestApplication may be called from parallel
// tests.
func TestApplication(t *testing.T, app gateway.Application, requests ...*gateway.Environ) {
	t.Helper()
	testApplication(t, app, applicationPatience, requests)
}

// applicationPatience is how long an application may do nothing. It is long, since a wrong verdict on a busy machine is worse
// than a slow one on an application that hangs.
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

// newTestRequests reads the requests, and returns those that can be sent.
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

// tryAll tries all requests, whose names end in what the application is, and reports whether it came back from each.
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
	name string // "POST /upload"

	first     *run      // the first run, in which nothing failed
	began     time.Time // when that was
	failed    bool      // something may have failed since
	freeBody  bool      // the body is seen to differ where nothing fails
	freeNames bool      // so are the names of the headers

	findings []*finding
	notes    []string
}

// maxRequestBody is a bound for what is held in memory, and for how long "every power of two" may take.
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

// readBody reads a request's body, and gives up if that takes too long.
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
