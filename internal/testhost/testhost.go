// Package testhost is the web server's side of CGI-like protocols, as far as they have one in
// common: for the tests that put the conformance suite in front of a server. Only tests import it.
package testhost

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
)

// Mount is where the application is mounted, and what a URL has for it.
const (
	Mount    = "/mounted at/here"
	MountURL = "/mounted%20at/here"
)

// Start starts a web server with the given handler until the end of the test, and returns the URL
// of Mount. The handler sees only requests below Mount, with the rest of the path, decoded. It
// reports whether the response is whole.
func Start(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, path string) bool) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, found := strings.CutPrefix(r.URL.Path, Mount)
		if !found {
			http.NotFound(w, r)
			return
		}
		// A body may still come while the answer goes out.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			panic(err)
		}
		if !serve(w, r, path) {
			panic(http.ErrAbortHandler) // the client must see that there is something missing
		}
		drain(w, r)
	}))
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL + MountURL
}

// drain reads what is left of the body. In full duplex net/http may take it for the next request,
// or panic with it.
func drain(w http.ResponseWriter, r *http.Request) {
	if http.NewResponseController(w).SetReadDeadline(time.Now().Add(5*time.Second)) != nil {
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		panic(http.ErrAbortHandler)
	}
}

// Backend runs a server until the end of the test, and returns the address of its listener.
func Backend(t *testing.T, server interface {
	Serve(net.Listener) error
	Close() error
}, network string) net.Addr {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-ended; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return l.Addr()
}

// Vars returns the variables of a request, as unkind as hosts were seen to be: a repeated header is
// a repeated variable, HTTP_PROXY and HTTP_CONTENT_LENGTH are there, and what has no value is empty
// rather than absent. length is CONTENT_LENGTH.
func Vars(r *http.Request, path, length string) (vars [][2]string) {
	address := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
	name, port, _ := net.SplitHostPort(address)
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	vars = [][2]string{
		{"CONTENT_LENGTH", length}, {"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_SOFTWARE", "testhost/1"},
		{"SERVER_PROTOCOL", r.Proto}, {"SERVER_NAME", name}, {"SERVER_PORT", port}, {"REMOTE_ADDR", client},
		{"REQUEST_METHOD", r.Method}, {"REQUEST_URI", r.RequestURI}, {"SCRIPT_NAME", Mount}, {"PATH_INFO", path},
		{"QUERY_STRING", r.URL.RawQuery}, {"CONTENT_TYPE", ""},
	}
	for _, value := range r.Header["Content-Type"] {
		vars = append(vars, [2]string{"CONTENT_TYPE", value})
	}
	if r.Host != "" {
		vars = append(vars, [2]string{"HTTP_HOST", r.Host})
	}
	for _, coding := range r.TransferEncoding {
		vars = append(vars, [2]string{"HTTP_TRANSFER_ENCODING", coding})
	}
	for name, values := range r.Header {
		if strings.Contains(name, "_") {
			continue // only the host sees the real names
		}
		for _, value := range values {
			vars = append(vars, [2]string{"HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_"), value})
		}
	}
	return vars
}

// Relay turns a response of CGI, or one with an HTTP status line, into that of w, each read of it
// as it comes, and reports whether all of it arrived and went out.
func Relay(w http.ResponseWriter, out io.Reader) bool {
	br := bufio.NewReaderSize(out, 64<<10)
	tr := textproto.NewReader(br)
	status := ""
	if start, _ := br.Peek(len("HTTP/")); string(start) == "HTTP/" {
		line, err := tr.ReadLine()
		if err != nil {
			return false
		}
		_, status, _ = strings.Cut(line, " ")
	}
	head, err := tr.ReadMIMEHeader()
	if err != nil {
		return false
	}
	if status == "" {
		status = head.Get("Status")
	}
	code, err := strconv.Atoi(strings.SplitN(status, " ", 2)[0])
	if err != nil {
		return false
	}
	head.Del("Status")
	header := w.Header()
	header["Content-Type"] = nil // net/http is not to guess one
	for name, values := range head {
		header[name] = values
	}
	w.WriteHeader(code)
	flush := http.NewResponseController(w).Flush
	if flush() != nil {
		return false
	}
	for block := make([]byte, 64<<10); ; {
		n, err := br.Read(block)
		if n > 0 {
			_, werr := w.Write(block[:n])
			if errors.Is(werr, http.ErrBodyNotAllowed) {
				werr = nil // C37: the host discards it
			}
			if werr != nil || flush() != nil {
				return false
			}
		}
		if err != nil {
			return err == io.EOF
		}
	}
}

// Single serves a request over a protocol that has one request a connection. head returns what goes
// before the body. Like the hosts it counts a body of unknown length first, and does not close its
// half of the connection after the body. If patient is true it reads no answer before all of the
// body is sent, and has none if that fails, as Apache.
func Single(w http.ResponseWriter, r *http.Request, addr net.Addr, patient bool, head func(length string) string) bool {
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	var body io.Reader = r.Body
	length := r.ContentLength
	if length < 0 {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		body, length = bytes.NewReader(all), int64(len(all))
	}
	if _, err := io.WriteString(conn, head(strconv.FormatInt(length, 10))); err != nil {
		return false
	}
	uploaded := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, body)
		if err != nil {
			conn.Close() // the client has left in the middle of its body, or the server has closed
		}
		uploaded <- err
	}()
	if patient {
		if err := <-uploaded; err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return Relay(w, conn)
	}
	whole := Relay(w, conn)
	conn.Close()
	select {
	case <-uploaded:
	default: // it may be reading from a client that sends no more; net/http cannot end a request before that has ended
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		<-uploaded
	}
	return whole
}
