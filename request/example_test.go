package request_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/request"
)

// serve serves one request of a small protocol, and closes the connection.
//
// A request is a line for each variable, such as "REQUEST_METHOD=GET", an empty line, and a body of
// CONTENT_LENGTH bytes. A response is a line for the status, a line for each header, an empty line,
// and each block of the body as a netstring: "5:block,". An empty netstring ends the response.
//
// On an open network, a server also needs deadlines.
func serve(conn net.Conn, app gateway.Application) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	var b request.Builder
	for {
		line, err := in.ReadSlice('\n')
		if err != nil { // the client has left, or the line is longer than the buffer
			return
		}
		variable := strings.TrimSuffix(string(line), "\n")
		if variable == "" {
			break
		}
		name, value, _ := strings.Cut(variable, "=")
		b.Add(name, value) // if the Builder refuses a variable, Finish returns the error too
	}
	env := &gateway.Environ{Errors: os.Stdout}
	length, err := b.Finish(env)
	if err != nil {
		app = request.Refuse(err)
	}
	body := request.NewBody(in, max(length, 0), request.NoLimit) // without a CONTENT_LENGTH there is no body
	env.Input = body
	defer body.Drain(request.DrainBytes, request.DrainTime) // before the Close, so that the client reads the answer
	gateway.Respond(app, env, &transport{bufio.NewWriter(conn)})
}

// A transport writes a response of the protocol. It does not embed the bufio.Writer, whose method
// ReadFrom would send files without making netstrings of them.
type transport struct{ w *bufio.Writer }

func (t *transport) WriteHead(status string, headers gateway.Headers) error {
	fmt.Fprintln(t.w, status)
	for name, value := range headers.All() {
		fmt.Fprintf(t.w, "%s: %s\n", name, value)
	}
	_, err := fmt.Fprintln(t.w) // a bufio.Writer returns its first error again
	return request.Disconnected(err)
}

func (t *transport) Write(block []byte) (int, error) {
	if _, err := fmt.Fprintf(t.w, "%d:%s,", len(block), block); err != nil {
		return 0, request.Disconnected(err)
	}
	return len(block), nil
}

func (t *transport) Flush() error { return request.Disconnected(t.w.Flush()) }

// End ends the response. A response that is cut off has no empty netstring at its end, which the
// client sees.
func (t *transport) End(whole bool) error {
	if !whole {
		return nil
	}
	fmt.Fprint(t.w, "0:,")
	return t.Flush()
}

// This is a whole server, for a small protocol over any net.Conn. The second request has no method,
// and the application is not called for it.
func Example() {
	hello := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		name, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello " + string(name) + "!\n"), err
	}
	for _, sent := range []string{
		"REQUEST_METHOD=POST\nPATH_INFO=/\nCONTENT_LENGTH=5\n\nworld",
		"PATH_INFO=/\n\n",
	} {
		client, server := net.Pipe()
		go serve(server, gateway.ApplicationFunc(hello))
		io.WriteString(client, sent)
		response, _ := io.ReadAll(client)
		fmt.Printf("%s\n\n", response)
	}
	// Output:
	// 200 OK
	// Content-Type: text/plain
	// Content-Length: 13
	//
	// 13:Hello world!
	// ,0:,
	//
	// gateway: /: malformed request: no REQUEST_METHOD
	// 400 Bad Request
	// Content-Type: text/plain
	// Content-Length: 16
	//
	// 16:400 Bad Request
	// ,0:,
}
