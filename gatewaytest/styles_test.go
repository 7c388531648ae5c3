package gatewaytest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

type (
	environ = gateway.Environ
	start   = gateway.StartResponse
	body    = gateway.Body
	appFunc = gateway.ApplicationFunc
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func get(target string) *environ { return gatewaytest.NewEnviron("GET", target, nil) }

func post(body string) *environ {
	return gatewaytest.NewEnviron("POST", "/upload", strings.NewReader(body))
}

// hello is simple_app, the function style.
func hello(env *environ, start start) (body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

// A greeting is AppClass, the struct style: it starts the response when it is ranged.
type greeting struct {
	env   *environ
	start start
}

func newGreeting(env *environ, start start) (body, error) { return &greeting{env, start}, nil }

func (g *greeting) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if _, err := g.start("200 OK", plain, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield(nil, nil) && yield([]byte("Hello "), nil) && yield([]byte(g.env.Vars["PATH_INFO"]), nil)
	}
}

func (g *greeting) Close() error { return nil }

// upload answers with the digest of the body, or with an error if it has not got all of it.
func upload(env *environ, start start) (body, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, env.Input)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		_, err = start("400 Bad Request", plain, err)
		return gateway.Text("The upload was cut short.\n"), err
	}
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Text(fmt.Sprintf("%d %s\n", size, hex.EncodeToString(sum.Sum(nil)))), err
}

// careless is upload without a look at the error.
func careless(env *environ, start start) (body, error) {
	sum := sha256.New()
	_, _ = io.Copy(sum, env.Input)
	_, err := start("200 OK", plain, nil)
	return gateway.Text(hex.EncodeToString(sum.Sum(nil))), err
}

// echo streams the request's body back.
func echo(env *environ, start start) (body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	return gateway.Reader(env.Input, 7), nil
}

// printed answers through the writer.
func printed(env *environ, start start) (body, error) {
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	for i := range 3 {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			return nil, err
		}
	}
	return gateway.Text("and a body\n"), nil
}

// ticks yields over time.
func ticks(env *environ, start start) (body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	ticker := time.NewTicker(time.Millisecond)
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		for i := range 4 {
			if !yield(fmt.Appendf(nil, "tick %d\n", i), nil) {
				return
			}
			select {
			case <-ticker.C:
			case <-env.Context().Done():
				return
			}
		}
	}), func() error { ticker.Stop(); return nil }), nil
}

// produced yields what a goroutine makes, and waits for it in Close.
func produced(env *environ, start start) (body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(env.Context())
	lines := make(chan []byte)
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		defer close(lines)
		for i := range 5 {
			select {
			case lines <- fmt.Appendf(nil, "line %d\n", i):
			case <-ctx.Done():
				return
			}
		}
	}()
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		for line := range lines {
			if !yield(line, nil) {
				return
			}
		}
	}), func() error { cancel(); done.Wait(); return nil }), nil
}

// raced yields what several goroutines make, in the order in which they come.
func raced(env *environ, start start) (body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(env.Context())
	blocks := make(chan []byte)
	var done sync.WaitGroup
	for i := range 4 {
		done.Add(1)
		go func() {
			defer done.Done()
			for range 5 {
				select {
				case blocks <- fmt.Append(nil, i):
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	go func() { done.Wait(); close(blocks) }()
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		for block := range blocks {
			if !yield(block, nil) {
				return
			}
		}
	}), func() error { cancel(); done.Wait(); return nil }), nil
}

// clock shows the time, many times.
func clock(env *environ, start start) (body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for range 30 {
			if !yield([]byte(time.Now().Format(time.RFC1123)), nil) {
				return
			}
		}
	}), err
}

func upper(app gateway.Application) gateway.Application {
	return appFunc(func(env *environ, start start) (body, error) {
		b, err := app.Call(env, start)
		if err != nil || b == nil {
			return b, err
		}
		return gateway.Map(b, bytes.ToUpper), nil
	})
}

// A pool keeps two goroutines that its first requests started.
type pool struct {
	once sync.Once
	jobs chan chan string
}

func (p *pool) Call(env *environ, start start) (body, error) {
	p.once.Do(func() {
		p.jobs = make(chan chan string)
		for range 2 {
			go func() {
				for job := range p.jobs {
					job <- "from the pool\n"
				}
			}()
		}
	})
	job := make(chan string, 1)
	p.jobs <- job
	_, err := start("200 OK", plain, nil)
	return gateway.Text(<-job), err
}

func drainAll(env *environ, start start) (body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		in := bufio.NewReader(env.Input)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 && !yield(line, nil) {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}), err
}
