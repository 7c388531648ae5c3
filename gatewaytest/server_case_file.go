package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"example.com/gateway"
)

// fileText is longer than the part of a file that a server gets at a time.
var fileText = megabyte + allBytes + megabyte[:1000]

// file makes a regular file with the given text, for ofFile. It must be called on the client's
// goroutine.
func (x *exchange) file(text string) {
	x.t.Helper()
	path := filepath.Join(x.t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		x.fatalf("no file: %v", err)
	}
	x.keep("path", path)
}

// ofFile answers with the file, from offset on.
func ofFile(headers gateway.Headers, offset int64) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		f, err := os.Open(kept[string](x, "path"))
		if err == nil {
			_, err = f.Seek(offset, io.SeekStart)
		}
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", headers, nil)
		return x.reading(f), err
	}
}

// reading is a Reader on a file, and notes "close" at each Close. Unlike closing, it lets the
// server see that the body is a Reader.
func (x *exchange) reading(f *os.File) gateway.Body {
	return gateway.OnClose(gateway.Reader(f, 0), func() error {
		if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
			x.errorf("Close of the body did not close the file")
		}
		x.note("close")
		return nil
	})
}

// fileIs is a case for a file that arrives.
func fileIs(rule, name, text string, headers gateway.Headers, offset int64, want string) serverCase {
	return serverCase{
		rule: rule, name: name, app: ofFile(headers, offset),
		run: func(x *exchange) {
			x.file(text)
			bodyIs(want)(x)
			x.wantClosed(1)
		},
	}
}

// piped answers with the lines of a pipe. A goroutine writes each line when the client has the line
// before, and then calls then.
func piped(headers gateway.Headers, then func(x *exchange, w *os.File)) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		go func() {
			defer w.Close()
			for i, line := range numbered {
				if _, err := io.WriteString(w, line); err != nil || !x.await(fmt.Sprint("got ", i)) {
					return
				}
			}
			then(x, w)
		}()
		_, err = start("200 OK", headers, nil)
		return x.reading(r), err
	}
}

// fileCases are about bodies that read an *os.File.
var fileCases = []serverCase{
	fileIs("R131", "a-file-arrives", fileText, plain, 0, fileText),
	fileIs("R131", "a-file-of-a-declared-length-arrives", fileText, length(len(fileText)), 0, fileText),
	fileIs("R131", "a-file-of-a-few-bytes-arrives", "few bytes", plain, 0, "few bytes"),
	fileIs("R131", "an-empty-file-is-an-empty-body", "", plain, 0, ""),
	fileIs("R137", "a-file-is-sent-from-where-it-stands", fileText, plain, 1234, fileText[1234:]),
	fileIs("R137", "a-part-of-a-file-is-sent", fileText, length(1_000_000), 1234, fileText[1234:1_001_234]),
	fileIs("R137", "a-small-part-of-a-file-is-sent", fileText, length(10), 1234, fileText[1234:1244]),
	{
		rule: "R87", name: "a-file-that-is-too-short-can-be-told", app: ofFile(length(len(fileText)+1), 0),
		run: func(x *exchange) {
			x.file(fileText)
			x.wantBroken(x.get("/"), fileText)
			x.wantClosed(1)
		},
	},
	{
		rule: "C37", name: "head-of-a-file-has-no-body", app: ofFile(length(len(fileText)), 0),
		run: func(x *exchange) {
			x.file(fileText)
			x.wantHeader(x.wantBodiless("HEAD", "/", 200), "Content-Length", fmt.Sprint(len(fileText)))
			x.wantClosed(1)
		},
	},
	{
		rule: "R99", name: "what-is-written-comes-before-a-file",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", length(len("written,")+len(fileText)), nil)
			x.write(w, "written,")
			f, ferr := os.Open(kept[string](x, "path"))
			return x.reading(f), errors.Join(err, ferr)
		},
		run: func(x *exchange) {
			x.file(fileText)
			bodyIs("written," + fileText)(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R139", name: "a-file-that-cannot-be-read-is-a-500",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f, err := os.OpenFile(kept[string](x, "path"), os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			_, err = start("200 OK", old.With("Content-Length", "9"), nil)
			return x.reading(f), err
		},
		run: func(x *exchange) {
			x.file("few bytes")
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "D10", name: "that-the-client-has-left-a-file-is-the-cause-of-the-contexts-end",
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			ctx := env.Context()
			body, err := ofFile(length(1<<30), 0)(x, env, start)
			return gateway.OnClose(body, func() error {
				if cause := context.Cause(ctx); !errors.Is(cause, gateway.ErrDisconnected) {
					x.errorf("the cause of the Context's end is %v, want ErrDisconnected", cause)
				}
				x.note("checked")
				return nil
			}), err
		}),
		run: func(x *exchange) {
			x.file(fileText)
			if err := os.Truncate(kept[string](x, "path"), 1<<30); err != nil { // to a length that no buffer holds
				x.fatalf("no large file: %v", err)
			}
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next(fileText[:100_000]) {
				return
			}
			c.reset()
			x.await("checked")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R92", name: "each-line-of-a-pipe-arrives-as-it-is-written",
		app: piped(plain, func(*exchange, *os.File) {}),
		run: func(x *exchange) {
			wantEach(numbered...)(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R137", name: "a-pipe-is-read-to-the-declared-length-and-not-to-its-end",
		app: piped(length(len(strings.Join(numbered, ""))), func(x *exchange, w *os.File) { x.await("close") }),
		run: func(x *exchange) {
			wantEach(numbered...)(x)
			x.wantClosed(1)
		},
	},
}
