//go:build unix

// Command testapp is the program that the tests of the folder above put under real web servers, as
// a CGI program and, by the variable GATEWAY, as a server behind them. The first segment of
// PATH_INFO says what it does.
//
// What a web server does not show, a process that ends or a body that is closed, it tells through a
// named pipe: see watch.go.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/interop/internal/quirk"
	"example.com/gateway/serve"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func main() {
	err := serve.Run(quirk.Named(os.Getenv("QUIRK"))(gateway.ApplicationFunc(app)))
	only.say("end")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A route answers a request. Somebody may watch it.
type route func(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error)

var routes = map[string]route{
	"":        hello,
	"environ": environ,
	"upload":  upload,
	"ignore":  ignore,
	"echo":    echo,
	"cookies": cookies,
	"stream":  stream,
	"close":   closing,
	"endless": endless,
	"idle":    idle,
	"status":  status,
	"moved":   moved,
	"header":  header,
	"panic":   panics,
	"break":   breaks,
	"sysfs":   sysfs,
	"pipe":    pipe,
	"process": process,
}

func app(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w := newWatcher(argument(env, "id"))
	if env.RunOnce {
		only = w // the end of the process ends it
		return w.answer(env, start)
	}
	answered := false
	defer func() {
		if !answered { // there is no body that will be closed
			w.end()
		}
	}()
	body, err := w.answer(env, start)
	if answered = body != nil; answered {
		body = gateway.OnClose(body, w.end)
	}
	return body, err
}

func (w *watcher) answer(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w.say("start")
	route, _, _ := strings.Cut(strings.TrimPrefix(env.Vars["PATH_INFO"], "/"), "/")
	if f := routes[route]; f != nil {
		return f(w, env, start)
	}
	_, err := start("404 Not Found", plain, nil)
	return gateway.Text("no such route\n"), err
}

func argument(env *gateway.Environ, name string) string {
	query, _ := url.ParseQuery(env.Vars["QUERY_STRING"])
	return query.Get(name)
}

func hello(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.Append("X-Route", "hello"), nil)
	return gateway.Text("Hello World !\n"), err
}

// environ answers with all texts that the application was given, a line each.
func environ(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	var b strings.Builder
	for name, value := range env.All() {
		switch value.(type) {
		case string, bool:
			fmt.Fprintf(&b, "%s=%q\n", name, fmt.Sprint(value))
		}
	}
	_, err := start("200 OK", plain, nil)
	return gateway.Text(b.String()), err
}

// upload answers with the size and the hash of the body.
func upload(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, env.Input)
	if err != nil {
		if errors.Is(err, syscall.ECONNRESET) { // without the addresses
			err = syscall.ECONNRESET
		}
		w.say("input: " + err.Error())
		return nil, err
	}
	w.say("input: whole")
	_, err = start("200 OK", plain, nil)
	return gateway.Text(fmt.Sprintf("%d %x\n", n, hash.Sum(nil))), err
}

// ignore answers with as many bytes as asked for, and never looks at the body.
func ignore(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	size, _ := strconv.Atoi(argument(env, "size"))
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(gateway.Reader(strings.NewReader(strings.Repeat("x", size)), 32<<10), w.closed), err
}

// echo answers with the query, the cookie and the body of the request.
func echo(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	body, err := io.ReadAll(env.Input)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Bytes([]byte(env.Vars["QUERY_STRING"]+"\n"+env.Header("Cookie")+"\n"), body), err
}

func cookies(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.Append("Set-Cookie", "b=1; Path=/").Append("Set-Cookie", "a=2").Append("set-cookie", "b=3"), nil)
	return gateway.Text("three\n"), err
}

// stream yields a block, and the second one only when the test has seen the first.
func stream(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("first\n"), nil) {
			return
		}
		w.wait()
		yield([]byte("second\n"), nil)
	}), w.closed), err
}

// endless yields a block, waits until the client has left, and then yields until somebody stops it.
func endless(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		block := []byte("first\n")
		for yield(block, nil) {
			if len(block) < 32<<10 {
				w.wait()
				block = make([]byte, 32<<10)
			}
		}
		w.say("stopped")
	}), w.closed), err
}

// idle yields a block and then waits for its context, or for the test.
func idle(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("first\n"), nil) {
			return
		}
		done := env.Context().Done()
		test := make(chan struct{})
		go func() {
			defer close(test)
			w.wait()
		}()
		select {
		case <-done:
			w.say("context ended")
		case <-test:
			w.say("nothing happened")
		}
		yield([]byte("second\n"), nil)
	}), w.closed), err
}

// process answers with the number of the process.
func process(_ *watcher, _ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text(strconv.Itoa(os.Getpid())), err
}

// closing answers with a whole response and has more to do afterwards.
func closing(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(gateway.Text("all\n"), func() error {
		w.wait()
		return w.closed()
	}), err
}

func (w *watcher) closed() error {
	w.say("closed")
	return nil
}

// status answers with the status code that is the second segment.
func status(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, last, _ := strings.Cut(strings.TrimPrefix(env.Vars["PATH_INFO"], "/"), "/")
	code, err := strconv.Atoi(last)
	if err != nil {
		return nil, err
	}
	_, err = start(gateway.Status(code), plain, nil)
	return gateway.Text("status " + last + "\n"), err
}

func moved(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("302 Found", plain.Append("Location", argument(env, "to")), nil)
	return gateway.Text("moved\n"), err
}

// header hands the client's words to start, as careless applications do.
func header(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	value, err := io.ReadAll(env.Input)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain.Append("X-Value", string(value)), nil)
	return gateway.Text("accepted\n"), err
}

// panics does so at once, or after a block, with or without having declared more.
func panics(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	when := argument(env, "when")
	if when == "before" {
		panic(errors.New("planted before the response"))
	}
	headers := plain
	if when == "declared" {
		headers = headers.Append("Content-Length", "1000")
	}
	_, err := start("200 OK", headers, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("first\n"), nil) {
			w.wait()
			panic(errors.New("planted in the response"))
		}
	}), err
}

// breaks fails right after its last block, with or without having declared more.
func breaks(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	headers := plain
	if argument(env, "length") == "declared" {
		headers = headers.Append("Content-Length", "1000")
	}
	_, err := start("200 OK", headers, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("first\n"), nil) {
			time.Sleep(5 * time.Millisecond)
			_ = yield([]byte("last\n"), nil) && yield(nil, errors.New("planted behind the last block"))
		}
	}), err
}

// sysfs answers with a file of which stat says that it has 4096 bytes.
func sysfs(_ *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	file, err := os.Open("/sys/devices/system/cpu/possible")
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Reader(file, 1), err
}

// pipe answers with what another goroutine writes into a pipe. That waits after the first line.
func pipe(w *watcher, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	r, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		_, _ = io.WriteString(in, "first\n")
		w.wait()
		_, _ = io.WriteString(in, "second\n")
		_ = in.Close()
	}()
	_, err = start("200 OK", plain, nil)
	return gateway.Reader(r, 0), err
}
