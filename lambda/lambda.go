// Package lambda serves an application on AWS Lambda: behind a function URL, an HTTP API or a REST
// API of API Gateway, or an Application Load Balancer. A program that calls serve.Run needs no
// change to run there.
//
//	func main() { log.Fatal(lambda.Serve(app)) }
//
// The program is the function's bootstrap, for the runtime provided.al2023 or any other that runs
// programs. It asks Lambda's Runtime API for one event after the other, makes a request of each,
// and posts the response. docs/lambda.md has what each kind of event becomes, and the limits.
//
// Lambda ends a function's environment at any time, and freezes the environment between two events.
// A goroutine that outlives its response goes on with the next event, or never.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// Serve serves app on AWS Lambda, with the settings of a zero [Server]. It returns what
// [Server.Serve] returns.
func Serve(app gateway.Application) error { return (&Server{Application: app}).Serve() }

// A Server serves one application. No field may be changed once Serve was called.
//
// The environ's Vars are those of CGI, made of the event. REQUEST_URI is there where the event has
// the path as it was sent: for all but an HTTP API, which has it decoded. The query of a REST API
// and of a load balancer is put together from its parameters. SCRIPT_NAME is the stage of an API,
// where the path of the request has it. REMOTE_ADDR is the address that the event has, never that
// of a header. The event of a load balancer has no address, and there is no REMOTE_ADDR then. A
// load balancer's X-Forwarded-Proto and -Port say what HTTPS and SERVER_PORT are; all others have
// https. CONTENT_LENGTH is the length of the body that the event has.
//
// Extra has "lambda.event", the event as it came, a []byte; and, as strings, "lambda.request_id",
// "lambda.function_arn" and "lambda.trace_id", which may be empty.
//
// Errors goes to ErrorLog, with the id of the invocation before each entry. Multithread is true: an
// application that has not returned at its deadline is left behind, and managed instances have
// several invocations at a time. Multiprocess is true, and RunOnce is false.
//
// The Context ends with context.DeadlineExceeded a moment before the invocation's deadline: 200 ms,
// or a tenth of the time if that is less. It ends with gateway.ErrDisconnected when a streamed
// response is taken no more, and with gateway.ErrShutdown when Shutdown has run out of time. Lambda
// does not tell a function that the client has left.
//
// A response that is cut off is an error of the invocation, also in the middle of a stream. The
// client of a buffered one gets a 502 from Lambda.
//
// Of Limits, MaxHeaders, MaxHeaderBytes and MaxBodyBytes have an effect.
type Server struct {
	// Application is called for each event that is an HTTP request, one after the other, or
	// concurrently on managed instances.
	Application gateway.Application

	// Stream sends each block of a response as it comes. The function URL must then have the invoke
	// mode RESPONSE_STREAM, and the integration of a REST API the response transfer mode STREAM: a
	// function cannot tell, and the client gets JSON before the page if the two differ. Responses
	// to HTTP APIs and load balancers, which cannot stream, are buffered all the same.
	Stream bool

	// Limits has the limits of a request.
	request.Limits

	// ErrorLog gets the entries of Environ.Errors, and what goes wrong outside of requests; nil is
	// the standard logger.
	ErrorLog *log.Logger

	env  func(name string) string // os.Getenv, but for tests
	dial dialer                   // net.DialTimeout, but for tests

	once     sync.Once
	stopping context.Context // ends when Shutdown or Close is called
	stop     context.CancelFunc
	ctx      context.Context // the parent of the invocations' Contexts
	end      context.CancelCauseFunc
	closing  context.Context // ends when Close is called
	close    context.CancelFunc
	mu       sync.Mutex // held while loops begin, and while stopping ends
	loops    sync.WaitGroup
}

func (s *Server) init() {
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.closing, s.close = context.WithCancel(context.Background())
	if s.env == nil {
		s.env = os.Getenv
	}
	if s.dial == nil {
		s.dial = net.DialTimeout
	}
}

// Serve serves the events of the Runtime API at AWS_LAMBDA_RUNTIME_API, as many at a time as
// AWS_LAMBDA_MAX_CONCURRENCY says, until Shutdown or Close, and then returns gateway.ErrShutdown.
// It returns another error if the Runtime API fails for good, and the process is to exit then, so
// that Lambda starts another. If the fields or the environment make no sense, Serve tells the
// Runtime API so, and returns an error. Serve may be called once.
func (s *Server) Serve() error {
	s.once.Do(s.init)
	address := s.env("AWS_LAMBDA_RUNTIME_API")
	if address == "" {
		return errors.New("lambda: AWS_LAMBDA_RUNTIME_API is not set: Lambda and its emulator " +
			"set it")
	}
	n, err := concurrency(s.env("AWS_LAMBDA_MAX_CONCURRENCY"))
	if s.Application == nil {
		err = errors.New("lambda: Server.Application is nil: set it to the application to serve")
	}
	if err != nil {
		a := &api{dial: s.dial, address: address}
		defer a.close()
		if e := a.failInit("Runtime.BadConfiguration", err.Error()); e != nil {
			err = errors.Join(err, fmt.Errorf("lambda: %w", e))
		}
		return err
	}
	if !s.begin(n) {
		return gateway.ErrShutdown
	}
	ended := make(chan error, n)
	for range n {
		go func() {
			defer s.loops.Done()
			ended <- s.loop(address)
		}()
	}
	var first error
	for range n {
		select {
		case err := <-ended:
			if first == nil {
				first = err
			}
			s.stop() // the others end after the invocation that they are at
		case <-s.closing.Done():
			return gateway.ErrShutdown
		}
	}
	return first
}

// begin adds n loops, unless Shutdown or Close was called.
func (s *Server) begin(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Err() != nil {
		return false
	}
	s.loops.Add(n)
	return true
}

// halt lets the loops end after the invocation that they are at, and lets no other begin.
func (s *Server) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// maxLoops is a bound for what AWS_LAMBDA_MAX_CONCURRENCY says.
const maxLoops = 10000

func concurrency(value string) (int, error) {
	if value == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxLoops {
		return 0, fmt.Errorf("lambda: AWS_LAMBDA_MAX_CONCURRENCY is %s, want a number from 1 to %d",
			header.Quote(value), maxLoops)
	}
	return n, nil
}

// Shutdown asks for no more events, and waits for the invocations that are going on. If ctx ends
// before they do, Shutdown ends their contexts and returns ctx's error. Close then ends what is
// left. Lambda sends a SIGTERM, after the last invocation, to functions that have an extension.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(s.init)
	s.halt()
	done := make(chan struct{})
	go func() {
		s.loops.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.end(gateway.ErrShutdown)
		return ctx.Err()
	}
}

// Close stops at once: it closes the connections and ends the invocations' contexts. It does not
// wait for applications.
func (s *Server) Close() error {
	s.once.Do(s.init)
	s.halt()
	s.end(gateway.ErrShutdown)
	s.close()
	return nil
}

func (s *Server) logf(format string, args ...any) {
	logger := s.ErrorLog
	if logger == nil {
		logger = log.Default()
	}
	logger.Printf(format, args...)
}

const (
	// maxFailures is how often in a row the next event may not be had before Serve gives up.
	maxFailures = 5

	// pause is how long Serve waits after the second failure, and twice as long after the next.
	pause = 50 * time.Millisecond

	// margin is how long before the deadline of an invocation its Context ends, if that is not more
	// than a tenth of the time. The application has half of it to give up.
	margin = 200 * time.Millisecond
)

// loop serves one invocation after the other.
func (s *Server) loop(address string) error {
	a := &api{dial: s.dial, address: address}
	defer a.close()
	defer a.stopsWith(s.stopping, s.closing)()
	for failures := 0; ; {
		inv, err := a.next()
		switch {
		case inv != nil && err != nil:
			err = s.refuse(a, inv, fmt.Errorf("lambda: the event was cut short: %w", err))
		case inv != nil:
			err = s.serve(a, inv)
		case s.stopping.Err() != nil:
			return gateway.ErrShutdown
		case !errors.Is(err, errFatal):
			if failures++; failures >= maxFailures {
				return fmt.Errorf("lambda: no next event, after %d attempts: %w", failures, err)
			}
			s.logf("lambda: no next event: %v; trying again", err)
			s.sleep(pause * (1<<failures - 2))
			continue
		}
		failures = 0
		if errors.Is(err, errFatal) {
			return fmt.Errorf("lambda: %w", err)
		}
	}
}

func (s *Server) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping.Done():
	}
}

// refuse ends an invocation that no application should see. It returns an error if Lambda cannot be
// told.
func (s *Server) refuse(a *api, inv *invocation, why error) error {
	s.logf("%s %v", inv.id, why)
	err := a.fail(inv, "Runtime.InvalidEvent", why.Error())
	if err != nil {
		s.logf("%s lambda: the error could not be posted: %v", inv.id, err)
	}
	return err
}

// serve serves one invocation. It returns an error if Lambda cannot be told of its end.
func (s *Server) serve(a *api, inv *invocation) error {
	deadline, err := deadlineOf(inv)
	if err != nil {
		return s.refuse(a, inv, err)
	}
	e, err := parseEvent(inv.event)
	if err != nil {
		return s.refuse(a, inv, err)
	}
	env := &gateway.Environ{Errors: &errorLog{s, inv.id}, Multithread: true, Multiprocess: true,
		Extra: map[string]any{"lambda.event": inv.event, "lambda.request_id": inv.id,
			"lambda.function_arn": inv.arn, "lambda.trace_id": inv.trace}}
	err, refusal := e.environ(s.Limits, env)
	if err != nil {
		return s.refuse(a, inv, err)
	}
	app := s.Application
	if refusal != nil {
		app = request.Refuse(refusal)
	}
	grace := min(margin, time.Until(deadline)/10)
	ctx, cancel := context.WithDeadline(s.ctx, deadline.Add(-grace))
	defer cancel()
	r := &response{api: a, inv: inv, form: e.form, stream: s.Stream && e.form.streams()}
	done := make(chan struct{})
	go func() {
		defer close(done) // also when the application ends its goroutine
		_ = gateway.Respond(app, env.WithContext(ctx), r)
	}()
	select {
	case <-done:
		return s.settle(a, r)
	case <-ctx.Done():
	}
	timer := time.NewTimer(time.Until(deadline.Add(-grace / 2)))
	defer timer.Stop()
	select {
	case <-done:
		return s.settle(a, r)
	case <-timer.C:
	}
	if !r.abandon() { // the response was sent, and the Close of its body takes its time
		<-done
		return s.settle(a, r)
	}
	s.logf("%s lambda: the application has not returned at its deadline, and is left behind",
		inv.id)
	return s.settle(a, r)
}

// settle sees to it that Lambda knows of the end of an invocation, if it did not take the response.
// It returns an error if Serve is to give up.
func (s *Server) settle(a *api, r *response) error {
	err := r.unsent
	var status *statusError
	switch {
	case err == nil, errors.Is(err, errFatal):
		return err
	case errors.As(err, &status) && status.code == 413: // Lambda has made an error of the response
		return nil
	}
	// If Lambda has got the response after all, or has given up by itself, it refuses the error.
	err = a.fail(r.inv, "Runtime.ResponseNotTaken",
		"the Runtime API has not taken the response: "+err.Error())
	if errors.As(err, &status) && !errors.Is(err, errFatal) {
		return nil
	}
	return err
}

// deadlineOf returns the time at which Lambda ends the invocation.
func deadlineOf(inv *invocation) (time.Time, error) {
	ms, err := strconv.ParseInt(inv.deadline, 10, 64)
	if err != nil {
		return time.Time{},
			fmt.Errorf("lambda: Lambda-Runtime-Deadline-Ms is %s, want milliseconds since 1970",
				header.Quote(inv.deadline))
	}
	deadline := time.UnixMilli(ms)
	if left := time.Until(deadline); left <= 0 {
		return deadline, fmt.Errorf("lambda: Lambda-Runtime-Deadline-Ms is %d, which was %v ago",
			ms, -left.Round(time.Millisecond))
	}
	return deadline, nil
}

// An errorLog is the Errors of a request.
type errorLog struct {
	s  *Server
	id string
}

func (l *errorLog) Write(p []byte) (int, error) {
	l.s.logf("%s %s", l.id, p)
	return len(p), nil
}
