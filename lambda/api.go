package lambda

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/gateway/internal/chunks"
	"example.com/gateway/internal/header"
)

// The Runtime API, which is HTTP/1.1 over a connection inside of the environment. The client of
// net/http would do as well. A process that links it starts a quarter later, and each request would
// wake two more goroutines.

const apiPath = "/2018-06-01/runtime/"

// Bounds of what the Runtime API sends. An event has at most 6 MB.
const (
	maxHead    = 256 << 10
	roomAtOnce = 8 << 20 // memory that an announced length gets before the bytes have come
)

var (
	// errFatal is wrapped by errors after which the documentation of the Runtime API asks the
	// process to exit.
	errFatal = errors.New("the Runtime API has failed for good")

	errProtocol = errors.New("the Runtime API does not speak HTTP/1.1")
)

// A statusError is an answer of the Runtime API with another status than the one that was wanted.
type statusError struct {
	code int
	body []byte
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the Runtime API answers %d: %s", e.code, header.Quote(string(e.body)))
}

// Unwrap returns errFatal for the 500s.
func (e *statusError) Unwrap() error {
	if e.code >= 500 {
		return errFatal
	}
	return nil
}

// A dialer is net.DialTimeout, or stands in for it.
type dialer func(network, address string, timeout time.Duration) (net.Conn, error)

// An api is a connection to the Runtime API, for one invocation at a time. It connects when it has
// to. Its methods belong to one goroutine at a time, but for interrupt, stop and close.
type api struct {
	dial    dialer
	address string
	r       *bufio.Reader
	w       *bufio.Writer
	used    bool // a request was answered on this connection

	mu        sync.Mutex
	nc        net.Conn // guarded by mu; nil if there is none
	isWaiting bool     // guarded by mu: the connection waits for the next invocation
	isStopped bool     // guarded by mu: there is to be no next invocation
	isClosed  bool     // guarded by mu: there is to be no connection any more
}

// An invocation is one event, with what the Runtime API says beside it.
type invocation struct {
	id, arn, trace, deadline string

	// echo is an id that the Runtime API of managed instances wants back.
	echo  string
	event []byte
}

// next waits for the next invocation, however long that takes. An invocation beside an error is one
// whose event was cut short.
func (a *api) next() (*invocation, error) {
	if !a.setWaiting(true) {
		return nil, net.ErrClosed
	}
	defer a.setWaiting(false)
	err := a.send("GET", "invocation/next", "", nil)
	if err != nil {
		return nil, err
	}
	inv := new(invocation)
	body, err := a.answer(200, func(name, value string) {
		switch name {
		case "lambda-runtime-aws-request-id":
			inv.id = value
		case "lambda-runtime-deadline-ms":
			inv.deadline = value
		case "lambda-runtime-invoked-function-arn":
			inv.arn = value
		case "lambda-runtime-trace-id":
			inv.trace = value
		case "lambda-runtime-invocation-id":
			inv.echo = value
		}
	})
	if !isID(inv.id) {
		if err == nil {
			a.close()
			err = fmt.Errorf("%w: Lambda-Runtime-Aws-Request-Id is %s", errProtocol,
				header.Quote(inv.id))
		}
		return nil, err
	}
	inv.event = body
	return inv, err
}

// isID reports whether s is an id that can be a part of a path.
func isID(s string) bool {
	const all = "-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return s != "" && strings.Trim(s, all) == ""
}

// respond sends a buffered response.
func (a *api) respond(inv *invocation, body []byte) error {
	return a.post("invocation/"+inv.id+"/response", inv.headers("application/json"), body)
}

// fail says that an invocation has failed.
func (a *api) fail(inv *invocation, kind, message string) error {
	return a.post("invocation/"+inv.id+"/error",
		inv.headers("application/json")+errorTypeHeader+": "+kind+"\r\n",
		errorBody(kind, message))
}

// failInit says that the process cannot serve.
func (a *api) failInit(kind, message string) error {
	headers := "Content-Type: application/json\r\n" + errorTypeHeader + ": " + kind + "\r\n"
	return a.post("init/error", headers, errorBody(kind, message))
}

const (
	errorTypeHeader = "Lambda-Runtime-Function-Error-Type"
	errorBodyHeader = "Lambda-Runtime-Function-Error-Body"
)

// errorBody returns the JSON of an error.
func errorBody(kind, message string) []byte {
	b := appendString([]byte(`{"errorMessage":`), message)
	b = appendString(append(b, `,"errorType":`...), kind)
	return append(b, `,"stackTrace":[]}`...)
}

// headers returns the header lines of a request that is about an invocation.
func (inv *invocation) headers(contentType string) string {
	lines := "Content-Type: " + contentType + "\r\n"
	if inv.echo != "" {
		lines += "Lambda-Runtime-Invocation-Id: " + inv.echo + "\r\n"
	}
	return lines
}

// post sends a request with a body, and reads its answer, which is to be a 202. When a connection
// that was kept turns out to be closed, post connects again. A request that the Runtime API has
// taken all the same gets a 4xx then.
func (a *api) post(path, headers string, body []byte) error {
	wasUsed := a.used
	err := a.send("POST", path, headers, body)
	if err == nil {
		_, err = a.answer(202, nil)
	}
	var status *statusError
	if err == nil || !wasUsed || errors.As(err, &status) {
		return err
	}
	if err := a.send("POST", path, headers, body); err != nil {
		return err
	}
	_, err = a.answer(202, nil)
	return err
}

// beginStream begins a response that is streamed. write, then flush and endStream follow.
func (a *api) beginStream(inv *invocation) error {
	return a.sendHead("POST", "invocation/"+inv.id+"/response",
		inv.headers("application/vnd.awslambda.http-integration-response")+
			"Lambda-Runtime-Function-Response-Mode: streaming\r\n"+
			"Transfer-Encoding: chunked\r\n"+
			"Trailer: "+errorTypeHeader+", "+errorBodyHeader+"\r\n")
}

// write sends a block of a streamed response as a chunk.
func (a *api) write(block []byte) error {
	var size [20]byte
	_, _ = a.w.Write(append(strconv.AppendInt(size[:0], int64(len(block)), 16), "\r\n"...))
	_, _ = a.w.Write(block)
	_, err := a.w.WriteString("\r\n") // a bufio.Writer keeps its first error
	return a.checked(err)
}

func (a *api) flush() error { return a.checked(a.w.Flush()) }

// endStream ends a streamed response: as one that is whole, or, if kind is not "", as one that is
// cut off.
func (a *api) endStream(kind, message string) error {
	_, _ = a.w.WriteString("0\r\n")
	if kind != "" {
		_, _ = a.w.WriteString(errorTypeHeader + ": " + kind + "\r\n" + errorBodyHeader + ": " +
			base64.StdEncoding.EncodeToString(errorBody(kind, message)) + "\r\n")
	}
	_, _ = a.w.WriteString("\r\n")
	if err := a.flush(); err != nil {
		return err
	}
	_, err := a.answer(202, nil)
	return err
}

// send sends a request.
func (a *api) send(method, path, headers string, body []byte) error {
	if method == "POST" {
		headers += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if err := a.sendHead(method, path, headers); err != nil {
		return err
	}
	_, _ = a.w.Write(body)
	return a.flush()
}

// sendHead connects, unless it is connected, and writes the head of a request.
func (a *api) sendHead(method, path, headers string) error {
	if err := a.connect(); err != nil {
		return err
	}
	_, err := a.w.WriteString(method + " " + apiPath + path + " HTTP/1.1\r\nHost: " + a.address +
		"\r\nUser-Agent: gateway\r\n" + headers + "\r\n")
	return a.checked(err)
}

// checked closes the connection if err is not nil: nobody knows what has been sent on it.
func (a *api) checked(err error) error {
	if err != nil {
		a.close()
	}
	return err
}

// answer reads the answer to a request, and returns its body. field is called for each header, with
// its name in lower case. Unless the status is the one that is wanted, answer returns a
// statusError. It closes a connection on which nothing more will come.
func (a *api) answer(want int, field func(name, value string)) ([]byte, error) {
	body, ends, err := a.readAnswer(want, field)
	a.used = true
	if ends || err != nil && !isStatus(err) {
		a.close()
	}
	return body, err
}

// readAnswer is answer, and reports whether the connection ends behind the answer.
func (a *api) readAnswer(want int, field func(name, value string)) ([]byte, bool, error) {
	room := maxHead
	line, err := a.line(&room)
	if err != nil {
		return nil, false, err
	}
	code, err := statusOf(line)
	if err != nil {
		return nil, false, err
	}
	length, isChunked, ends := int64(-1), false, false
	for {
		line, err := a.line(&room)
		if err != nil {
			return nil, false, err
		}
		if line == "" {
			break
		}
		name, v, found := strings.Cut(line, ":")
		if !found || !header.IsToken(name) {
			return nil, false, fmt.Errorf("%w: a header line is %s", errProtocol,
				header.Quote(line))
		}
		name, v = strings.ToLower(name), strings.Trim(v, " \t")
		switch name {
		case "content-length":
			n, ok := header.ParseLength(v)
			if !ok || length >= 0 && length != n {
				return nil, false, fmt.Errorf("%w: Content-Length is %s", errProtocol,
					header.Quote(v))
			}
			length = n
		case "transfer-encoding":
			isChunked = strings.EqualFold(v, "chunked")
		case "connection":
			ends = strings.EqualFold(v, "close")
		default:
			if field != nil && code == want {
				field(name, v)
			}
		}
	}
	a.arrived()
	var body []byte
	switch {
	case isChunked:
		body, err = io.ReadAll(chunks.NewReader(a.r, func() {}))
	case length >= 0:
		body, err = readAll(a.r, length)
	case code != 204:
		ends = true // the answer ends with the connection
		body, err = io.ReadAll(a.r)
	}
	if err == nil && code != want {
		err = &statusError{code, body}
	}
	return body, ends, err
}

func isStatus(err error) bool {
	var status *statusError
	return errors.As(err, &status)
}

// readAll reads the next n bytes of r.
func readAll(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(n, roomAtOnce)))
	_, err := io.CopyN(&b, r, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// line reads a line of a head, of at most room bytes, and returns it without its end.
func (a *api) line(room *int) (string, error) {
	var line []byte
	for {
		part, err := a.r.ReadSlice('\n')
		if *room -= len(part); *room < 0 {
			return "", fmt.Errorf("%w: the head has more than %d bytes", errProtocol, maxHead)
		}
		if err == nil && line == nil {
			return strings.TrimSuffix(string(part[:len(part)-1]), "\r"), nil
		}
		line = append(line, part...)
		switch err {
		case nil:
			return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
		case bufio.ErrBufferFull:
		case io.EOF:
			return "", io.ErrUnexpectedEOF
		default:
			return "", err
		}
	}
}

// statusOf reads a status line.
func statusOf(line string) (int, error) {
	rest, found := strings.CutPrefix(line, "HTTP/1.")
	if found && len(rest) >= 5 && rest[1] == ' ' && (len(rest) == 5 || rest[5] == ' ') {
		if code, err := strconv.Atoi(rest[2:5]); err == nil && code >= 200 {
			return code, nil
		}
	}
	return 0, fmt.Errorf("%w: a status line is %s", errProtocol, header.Quote(line))
}

// connectTime is how long a connection inside of the environment may take.
const connectTime = 5 * time.Second

// connect connects, unless there is a connection.
func (a *api) connect() error {
	a.mu.Lock()
	isConnected, isClosed := a.nc != nil, a.isClosed
	a.mu.Unlock()
	if isClosed {
		return net.ErrClosed
	}
	if isConnected {
		return nil
	}
	nc, err := a.dial("tcp", a.address, connectTime)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isClosed || a.isWaiting && a.isStopped {
		nc.Close()
		return net.ErrClosed
	}
	a.nc, a.used = nc, false
	a.r, a.w = bufio.NewReader(nc), bufio.NewWriter(nc)
	return nil
}

// setWaiting says whether the connection waits for an invocation. It reports false if none is to
// come any more.
func (a *api) setWaiting(isWaiting bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isWaiting = isWaiting && !a.isStopped
	return a.isWaiting
}

// arrived says that an invocation has come.
func (a *api) arrived() { a.setWaiting(false) }

// stop ends the wait for the next invocation, now and later. An invocation that has come is served.
func (a *api) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isStopped = true
	if a.isWaiting && a.nc != nil {
		a.nc.Close()
	}
}

// interrupt closes the connection, so that whoever reads or writes gets an error.
func (a *api) interrupt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nc != nil {
		a.nc.Close()
	}
}

// shut closes the connection for good.
func (a *api) shut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isClosed = true
	if a.nc != nil {
		a.nc.Close()
	}
}

// close closes the connection. The next request makes another.
func (a *api) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nc != nil {
		a.nc.Close()
		a.nc = nil
	}
}

// stopsWith has the api stop when ctx ends.
func (a *api) stopsWith(stopping, closing context.Context) (undo func()) {
	first, second := context.AfterFunc(stopping, a.stop), context.AfterFunc(closing, a.shut)
	return func() { first(); second() }
}
