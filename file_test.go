package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gateway"
)

// A fileTransport is a transport that sends files by itself, as those of this module on a socket do.
type fileTransport struct {
	out    bytes.Buffer
	calls  []string
	failAt int // this call of SendFile fails, counted from 1
}

func (f *fileTransport) WriteHead(status string, headers gateway.Headers) error {
	f.calls = append(f.calls, "head")
	return nil
}

func (f *fileTransport) Write(block []byte) (int, error) {
	f.calls = append(f.calls, "write")
	return f.out.Write(block)
}

func (f *fileTransport) CanSend(src io.Reader) bool {
	_, isFile := src.(*os.File)
	return isFile
}

var errSocket = errors.New("socket is gone")

func (f *fileTransport) SendFile(src io.Reader) (int64, error) {
	if _, isLimited := src.(*io.LimitedReader); !isLimited {
		return 0, errors.New("not what package net knows to send")
	}
	f.calls = append(f.calls, "file")
	n := 0
	for _, call := range f.calls {
		if call == "file" {
			n++
		}
	}
	if n == f.failAt {
		return 0, errSocket
	}
	return io.Copy(&f.out, src)
}

func TestFileGoesOutThroughTheTransportsOwnWay(t *testing.T) {
	const size = 9<<20 + 5
	content := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, method, length string
		seek                       int64
		failAt                     int
		calls                      string
		want                       []byte
		err                        error
	}{
		{name: "whole", path: path, calls: "head write" + strings.Repeat(" file", 20), want: content},
		{name: "from the position, to the length (R137)", path: path, seek: 100, length: "100000",
			calls: "head write file", want: content[100:100100]},
		{name: "no more than one block", path: path, length: "8192", calls: "head write", want: content[:8192]},
		{name: "empty", path: empty, calls: "head write"},
		{name: "HEAD", path: path, method: "HEAD", calls: "head write"},
		{name: "shorter than declared (R87)", path: path, seek: size - 10000, length: "20000",
			calls: "head write file", want: content[size-10000:], err: gateway.ErrContentLength},
		{name: "the client leaves", path: path, failAt: 2, calls: "head write file file",
			want: content[:8192+480<<10], err: errSocket},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := os.Open(test.path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(test.seek, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			headers := plain
			if test.length != "" {
				headers = headers.Add("Content-Length", test.length)
			}
			closes := 0
			app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := start("200 OK", headers, nil)
				return gateway.OnClose(gateway.Reader(f, 0), func() error { closes++; return nil }), err
			})
			tr := &fileTransport{failAt: test.failAt}
			env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": test.method}}
			err = gateway.Respond(app, env, tr)
			if !errors.Is(err, test.err) || test.err == nil && err != nil {
				t.Errorf("Respond returned %v, want %v", err, test.err)
			}
			if test.err != nil && !errors.Is(err, gateway.ErrBroken) {
				t.Errorf("%v does not say that the response is broken", err)
			}
			if got := strings.Join(tr.calls, " "); got != test.calls {
				t.Errorf("the transport saw %s, want %s", got, test.calls)
			}
			if !bytes.Equal(tr.out.Bytes(), test.want) {
				t.Errorf("%d bytes went out, want %d, or they differ", tr.out.Len(), len(test.want))
			}
			if closes != 1 {
				t.Errorf("closed %d times (R21)", closes)
			}
			if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the file is not closed: %v (R134)", err)
			}
		})
	}
}

// A file that cannot be read is found out before the head is sent.
func TestFileThatCannotBeReadGetsTheErrorPage(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Reader(dir, 0), err
	})
	tr := new(fileTransport)
	err = gateway.Respond(app, &gateway.Environ{}, tr)
	if err == nil || errors.Is(err, gateway.ErrBroken) {
		t.Errorf("Respond returned %v, want an error and a whole response", err)
	}
	if got := tr.out.String(); !strings.HasPrefix(got, "500 ") {
		t.Errorf("the client got %q", got)
	}
}
