package nethttp_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// The client gets the answer, and the rest of the body never becomes a request.
func TestABodyThatIsNotRead(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	streamed := func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("streamed"), nil) })
	}
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		mu.Lock()
		paths = append(paths, env.Vars["PATH_INFO"])
		mu.Unlock()
		_, err := start("200 OK", plain, nil)
		if env.Vars["QUERY_STRING"] == "stream" {
			return streamed(), err
		}
		return gateway.Text("unread"), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
	next := "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	for _, c := range []struct {
		name, request string
		kept          bool // the connection
	}{
		{"a small one", fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), true},
		{"a small one, a stream", fmt.Sprintf("POST /?stream HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), true},
		{"of unknown length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, false},
		{"a large one", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(smuggled, 30000)[:1000000], false},
		{"one that is never sent", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", false},
		{"one that is never sent, a stream",
			"POST /?stream HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", false},
	} {
		mu.Lock()
		paths = nil
		mu.Unlock()
		answer := send(t, addr, c.request+next)
		if !strings.Contains(answer, "unread") && !strings.Contains(answer, "streamed") {
			t.Errorf("%s: the answer is %q", c.name, answer)
		}
		if strings.Contains(c.name, "stream") && !strings.Contains(answer, "\r\nstreamed\r\n0\r\n\r\n") {
			t.Errorf("%s: the answer is cut off: %q", c.name, answer)
		}
		if strings.Contains(answer, " 100 ") {
			t.Errorf("%s: a 100 (Continue) was sent although nobody reads: %q", c.name, answer)
		}
		mu.Lock()
		if got, want := fmt.Sprint(paths), map[bool]string{true: "[/ /next]", false: "[/]"}[c.kept]; got != want {
			t.Errorf("%s: the requests are %v, want %v", c.name, got, want)
		}
		mu.Unlock()
		if !c.kept && !strings.Contains(answer, "Connection: close\r\n") {
			t.Errorf("%s: the end of the connection is not announced: %q", c.name, answer)
		}
	}
}

// After a malformed chunk nobody knows where the request ends.
func TestABodyThatFailedIsNotTheNextRequest(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		calls := make(chan string, 9)
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			calls <- env.Vars["PATH_INFO"]
			_, err := start("200 OK", plain, nil)
			read := func() {
				if _, err := io.ReadAll(env.Input); err == nil {
					t.Error("the body ended cleanly")
				}
			}
			if !late {
				read()
			}
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("one"), nil) && late {
					read()
				}
			}), err
		})
		addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
		send(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		if n := len(calls); n != 1 {
			t.Errorf("late %v: the application was called %d times", late, n)
		}
	}
}

// A body that a handler around refuses is no reason to cut the response off.
func TestABodyThatIsTooLargeEndsTheConnectionCleanly(t *testing.T) {
	t.Parallel()
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if _, err := io.ReadAll(env.Input); !errors.As(err, new(*http.MaxBytesError)) {
			t.Errorf("Input failed with %v", err)
		}
		_, err := start("413 Content Too Large", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("too large"), nil) }), err
	}))
	addr := serve(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10)
		h.ServeHTTP(w, r)
	})})
	answer := send(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100))
	if !strings.HasSuffix(answer, "\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n") {
		t.Errorf("the answer is %q", answer)
	}
}

// Without full duplex, net/http would drop the rest of the body when the head goes out.
func TestAnApplicationReadsWhileItSends(t *testing.T) {
	t.Parallel()
	echo := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Reader(env.Input, 0), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(echo)})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two", "six"} {
		if word != "one" {
			_, _ = io.WriteString(conn, "3\r\n"+word+"\r\n")
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != word {
			t.Fatalf("the echo of %s is %q, %v", word, got, err)
		}
	}
	_, _ = io.WriteString(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestContinueIsSentOnTheFirstRead(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		<-read
		body, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Text(string(body)), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	close(read)
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("the client got %q, %v (R114)", line, err)
	}
	_, _ = io.WriteString(conn, "body")
	if rest, _ := io.ReadAll(r); !bytes.HasSuffix(rest, []byte("\r\n\r\nbody")) {
		t.Errorf("the answer is %q", rest)
	}
}

// A client that stops in the middle of its body gets its answer. Five seconds later the connection
// ends.
func TestAClientThatStallsItsBodyHasFiveSeconds(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			app := answering("413 Content Too Large", plain, func() gateway.Body { return gateway.Text("too much") })
			s := &http.Server{Handler: nethttp.Handler(app), ErrorLog: quiet}
			go s.Serve(l)
			client := l.dial()
			go func() { _, _ = io.WriteString(client, request) }()
			r := bufio.NewReader(client)
			response, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(response.Body); string(body) != "too much" || err != nil {
				t.Errorf("the answer is %q, %v", body, err)
			}
			begin := time.Now()
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("then %q", rest)
			}
			if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second { // net/http adds half a second
				t.Errorf("%.60q: the connection ended after %v, want 5 s", strings.ReplaceAll(request, "\r\n", " "), took)
			}
			client.Close()
			s.Close()
		})
	}
}
