// Package testlambda is Lambda's side of a function, for tests: a Runtime API, and the front ends
// that make events of requests over HTTP, and responses of the function's answers. It shares no
// code with package lambda, and accepts nothing that the documentation of Lambda does not have.
// Only tests import it.
package testlambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An API is a Runtime API.
type API struct {
	// Timeout is how long an invocation has: a minute, unless a test changes it before the first.
	Timeout time.Duration

	t      *testing.T
	server *httptest.Server
	queue  chan *call

	mu    sync.Mutex
	calls map[string]*call // that were handed out and have no end yet
	count int
	init  []string // error types that came to init/error
}

type call struct {
	id     string
	event  []byte
	result chan *Result
	gone   chan struct{} // closed when nobody waits for the result any more
}

// end hands the result to whoever waits for it, and reports whether somebody does.
func (c *call) end(r *Result) bool {
	select {
	case c.result <- r:
		return true
	case <-c.gone:
		return false
	}
}

// A Result is what a function has made of an event.
type Result struct {
	// Kind is the type of the error if the function has failed, and Message its text.
	Kind, Message string

	IsStream bool
	Body     io.ReadCloser // of a response; its last Read comes before Trailer is called

	// Trailer returns the type of the error in the trailers of a stream, or "".
	Trailer func() string
}

// NewAPI starts a Runtime API that runs until the end of the test.
func NewAPI(t *testing.T) *API {
	a := &API{Timeout: time.Minute, t: t, queue: make(chan *call), calls: make(map[string]*call)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", a.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", a.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.initError)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.deny(w, 404, "%s %s is no request of the Runtime API", r.Method, r.URL)
	})
	a.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	return a
}

// Address is the host and port of the API.
func (a *API) Address() string { return a.server.Listener.Addr().String() }

// InitErrors returns the types of the errors that came to init/error.
func (a *API) InitErrors() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.init
}

// Invoke has the function handle an event. It returns when the response begins, or nil if done is
// closed before.
func (a *API) Invoke(event []byte, done <-chan struct{}) *Result {
	a.mu.Lock()
	a.count++
	c := &call{id: fmt.Sprintf("8476a536-e9f4-11e8-9739-%012x", a.count), event: event,
		result: make(chan *Result), gone: make(chan struct{})}
	a.mu.Unlock()
	select {
	case a.queue <- c:
	case <-done:
		return nil
	}
	defer close(c.gone)
	select {
	case r := <-c.result:
		return r
	case <-done:
		return nil
	}
}

// deny answers a request that is wrong, and fails the test.
func (a *API) deny(w http.ResponseWriter, code int, format string, args ...any) {
	a.t.Errorf("the Runtime API answers %d: "+format, append([]any{code}, args...)...)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, `{"errorMessage":"denied","errorType":"InvalidRequest"}`)
}

func (a *API) next(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 || r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		a.deny(w, 400, "next has a body of %d, over %s", r.ContentLength, r.Proto)
		return
	}
	var c *call
	select {
	case c = <-a.queue:
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.calls[c.id] = c
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", c.id)
	deadline := time.Now().Add(a.Timeout).UnixMilli()
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline, 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn",
		"arn:aws:lambda:eu-central-1:123456789012:function:test")
	h.Set("Lambda-Runtime-Trace-Id",
		"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
	h.Set("Lambda-Runtime-Invocation-Id", "echo-"+c.id)
	_, _ = w.Write(c.event)
}

// take returns the invocation that a request is about, once.
func (a *API) take(w http.ResponseWriter, r *http.Request) *call {
	id := r.PathValue("id")
	a.mu.Lock()
	c := a.calls[id]
	delete(a.calls, id)
	a.mu.Unlock()
	if c == nil {
		a.deny(w, 400, "%s is about an invocation that is not going on", r.URL)
		return nil
	}
	if echo := r.Header.Get("Lambda-Runtime-Invocation-Id"); echo != "echo-"+id {
		a.deny(w, 400, "Lambda-Runtime-Invocation-Id is %q", echo)
		return nil
	}
	return c
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(202)
	fmt.Fprintln(w, `{"status":"OK"}`)
}

const integrationType = "application/vnd.awslambda.http-integration-response"

func (a *API) response(w http.ResponseWriter, r *http.Request) {
	c := a.take(w, r)
	if c == nil {
		return
	}
	switch mode := r.Header.Get("Lambda-Runtime-Function-Response-Mode"); mode {
	case "":
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength < 0 || len(body) > 6<<20+100 ||
			r.Header.Get("Content-Type") != "application/json" {
			a.deny(w, 400, "a response of %d bytes, length %d, type %q: %v", len(body),
				r.ContentLength,
				r.Header.Get("Content-Type"), err)
			return
		}
		accept(w)
		c.end(&Result{Body: io.NopCloser(bytes.NewReader(body))})
	case "streaming":
		a.stream(w, r, c)
	default:
		a.deny(w, 400, "the response mode is %q", mode)
	}
}

// stream hands out a streamed response as it comes. It stops reading when the reader has gone.
func (a *API) stream(w http.ResponseWriter, r *http.Request, c *call) {
	_, hasType := r.Trailer["Lambda-Runtime-Function-Error-Type"]
	_, hasBody := r.Trailer["Lambda-Runtime-Function-Error-Body"]
	if r.ContentLength != -1 || r.Header.Get("Content-Type") != integrationType || !hasType ||
		!hasBody {
		a.deny(w, 400, "a stream has length %d, type %q, trailers %v", r.ContentLength,
			r.Header.Get("Content-Type"), r.Trailer)
		return
	}
	pr, pw := io.Pipe()
	isWanted := c.end(&Result{IsStream: true, Body: pr, Trailer: func() string {
		kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
		if body := r.Trailer.Get("Lambda-Runtime-Function-Error-Body"); kind != "" || body != "" {
			text, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				a.t.Errorf("the trailer is no base64: %v", err)
			}
			a.checkError(kind, text)
		}
		return kind
	}})
	if !isWanted {
		pr.Close()
	}
	_, err := io.Copy(pw, r.Body)
	pw.CloseWithError(err)
	if err == nil {
		accept(w)
		return
	}
	a.mu.Lock()
	a.calls[c.id] = c // the function may say that it has failed
	a.mu.Unlock()
	if err == io.ErrClosedPipe {
		w.WriteHeader(400) // and net/http closes the connection
	}
}

// isErrorType is what an error type should look like.
var isErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// checkError checks an error of a function, and returns its text.
func (a *API) checkError(kind string, body []byte) string {
	var e struct {
		ErrorMessage *string  `json:"errorMessage"`
		ErrorType    *string  `json:"errorType"`
		StackTrace   []string `json:"stackTrace"`
	}
	if err := strict(body, &e); err != nil || e.ErrorMessage == nil || e.ErrorType == nil ||
		e.StackTrace == nil ||
		*e.ErrorType != kind || !isErrorType.MatchString(kind) {
		a.t.Errorf("the error of type %q is %s: %v", kind, body, err)
		return ""
	}
	return *e.ErrorMessage
}

func (a *API) failure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := a.take(w, r)
	if c == nil {
		return
	}
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	message := a.checkError(kind, body)
	accept(w)
	c.end(&Result{Kind: kind, Message: message})
}

func (a *API) initError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	a.checkError(kind, body)
	a.mu.Lock()
	a.init = append(a.init, kind)
	a.mu.Unlock()
	accept(w)
}

// strict decodes JSON that has no other fields than v.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if rest := strings.TrimSpace(string(data[d.InputOffset():])); rest != "" {
		return fmt.Errorf("behind the value there is %q", rest)
	}
	return nil
}
