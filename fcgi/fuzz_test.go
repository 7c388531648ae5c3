package fcgi_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	limits "example.com/gateway/request"
)

// Whatever a host sends: no panic, no hang, and what comes back are records, of which none follows
// an END_REQUEST of its id unless the id was opened again. Each connection is one of the same
// server, which must survive them all.
func FuzzConn(f *testing.F) {
	for _, s := range []string{
		request(1, 0, "POST", "/", "body"),
		get(1, "/") + get(2, "/") + rec(abortRequest, 1, ""),
		begin(1, responder, keepConn) + rec(paramsRecord, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 9) + rec(paramsRecord, 1, "", 200),
		rec(getValues, 0, pairs("FCGI_MPXS_CONNS", "")) + rec(77, 0, "x", 3) + begin(5, filter, 1),
		begin(1, responder, 0) + begin(1, responder, 0),
		head(1, keepConn, "POST", "/read", "CONTENT_LENGTH", "1000") + rec(stdinRecord, 1, "part") + rec(abortRequest, 1, "") + get(1, "/"),
		head(1, keepConn, "POST", "/panic") + head(2, 1, "POST", "/goexit") + rec(stdinRecord, 2, ""),
		rec(stdinRecord, 9, strings.Repeat("x", 300), 1),
		"GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(3))
	}
	server := &fcgi.Server{
		Limits:   limits.Limits{MaxRequests: 50, MaxHeaderBytes: 10_000, MaxBodyBytes: 100_000},
		ErrorLog: discard,
		Application: gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			switch {
			case strings.HasPrefix(env.Vars["PATH_INFO"], "/panic"):
				panic("at the disco")
			case strings.HasPrefix(env.Vars["PATH_INFO"], "/watch"):
				_ = env.Context().Done()
			case env.Vars["REQUEST_METHOD"] == "GET":
				return hello(env, start)
			}
			return echo(env, start)
		}),
	}
	l := listenUnix(f)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	f.Cleanup(func() {
		server.Close()
		<-done
	})
	f.Fuzz(func(t *testing.T, input []byte, cut uint16) {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		go func() {
			at := min(int(cut), len(input))
			_, _ = conn.Write(input[:at])
			_, _ = conn.Write(input[at:])
			_ = conn.(*net.UnixConn).CloseWrite() // so that it ends: a half-closed connection is served to its end
		}()
		all, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the connection does not end; so far %q", all)
		}
		for b := all; len(b) > 0; {
			if len(b) < 8 || b[0] != 1 {
				t.Fatalf("no record: %.100q", b)
			}
			size := 8 + int(b[4])<<8 + int(b[5]) + int(b[6])
			if len(b) < size {
				if err == nil {
					t.Fatalf("a record was cut: %.100q", b)
				}
				break // a reset
			}
			switch kind := b[1]; kind {
			case endRequest, unknownType:
				if size != 16 {
					t.Fatalf("record of %d bytes: %.100q", size, b)
				}
			case stdoutRecord, stderrRecord, getValuesResult:
			default:
				t.Fatalf("record of type %d", kind)
			}
			b = b[size:]
		}
	})
}
