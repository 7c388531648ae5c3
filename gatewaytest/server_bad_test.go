package gatewaytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// badServerVar names the bad server that a child process tests. The result of TestServer can only
// be seen from outside.
const badServerVar = "GATEWAYTEST_BAD_SERVER"

// badServers are wrong uses of TestServer, and servers that are wrong, by name.
var badServers = map[string]func(t *testing.T){
	"nil": func(t *testing.T) { gatewaytest.TestServer(t, nil) },
	"a start that never returns": func(t *testing.T) {
		gatewaytest.TestServer(t, func(*testing.T, gateway.Application) string { select {} })
	},
	"a start that returns nothing": func(t *testing.T) {
		gatewaytest.TestServer(t, func(*testing.T, gateway.Application) string { return "" })
	},
	"a start that returns no URL": func(t *testing.T) {
		gatewaytest.TestServer(t, func(*testing.T, gateway.Application) string { return "localhost:\x00 8000" })
	},
	"a start that returns another scheme": func(t *testing.T) {
		gatewaytest.TestServer(t, func(*testing.T, gateway.Application) string { return "https://127.0.0.1:8000" })
	},
	"a start that fails": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, _ gateway.Application) string {
			t.Fatal("no port is free")
			return ""
		})
	},
	"a start that skips": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, _ gateway.Application) string {
			t.Skip("there is no such server here")
			return ""
		})
	},
	"a start that panics": func(t *testing.T) {
		gatewaytest.TestServer(t, func(*testing.T, gateway.Application) string { panic("no configuration") })
	},
	"a server that is not there": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, _ gateway.Application) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			return "http://" + l.Addr().String()
		})
	},
	"a server that answers garbage": func(t *testing.T) {
		gatewaytest.TestServer(t, eachConn(func(conn net.Conn) {
			_, _ = conn.Write([]byte("\x00\xff garbage \r\n\r\n"))
			_ = conn.Close()
		}))
	},
	"a server that answers without end": func(t *testing.T) {
		gatewaytest.TestServer(t, eachConn(func(conn net.Conn) {
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			again := strings.Repeat("X-Again: and again\r\n", 1000)
			for err == nil {
				_, err = io.WriteString(conn, again)
			}
		}))
	},
	"a server whose body does not end": func(t *testing.T) {
		gatewaytest.TestServer(t, eachConn(func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")
		}))
	},
	"a server that hangs": func(t *testing.T) { gatewaytest.TestServer(t, eachConn(func(net.Conn) {})) },
	"a server that never accepts": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, _ gateway.Application) string {
			return listen(t, func(net.Listener) {})
		})
	},
	"a server that closes at once": func(t *testing.T) {
		gatewaytest.TestServer(t, eachConn(func(conn net.Conn) { _ = conn.Close() }))
	},
	"a server that does not call the application": func(t *testing.T) {
		gatewaytest.TestServer(t, eachConn(func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nseen")
			_ = conn.Close()
		}))
	},
	"a server whose application never ends": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
			return startToy(t, appFunc(func(env *environ, start start) (body, error) {
				body, err := app.Call(env, start)
				if body == nil {
					return nil, err
				}
				return gateway.OnClose(body, func() error { select {} }), err
			}))
		})
	},
	"a start whose cleanup never returns": func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
			t.Cleanup(func() { select {} })
			return startToy(t, app)
		})
	},
	"a known failure that passes": func(t *testing.T) {
		gatewaytest.TestServer(t, startToy,
			gatewaytest.KnownFailure{Case: "R89/one-block-gets-a-length", Reason: "an old excuse"})
	},
	"a known failure of no case": func(t *testing.T) {
		gatewaytest.TestServer(t, startToy,
			gatewaytest.KnownFailure{Case: "R89/no-such-case", Reason: "a slip of the pen"})
	},
	"a known failure without a reason": func(t *testing.T) {
		gatewaytest.TestServer(t, startToy, gatewaytest.KnownFailure{Case: "R89/one-block-gets-a-length"})
	},
}

// hanging are the bad servers whose first case uses up all of the patience. The patience with the
// others is long enough for a busy machine.
var hanging = map[string]bool{
	"a start that never returns":            true,
	"a start whose cleanup never returns":   true,
	"a server whose body does not end":      true,
	"a server that hangs":                   true,
	"a server that never accepts":           true,
	"a server whose application never ends": true,
}

// eachConn starts a server that does the same with each connection.
func eachConn(serve func(conn net.Conn)) func(*testing.T, gateway.Application) string {
	return func(t *testing.T, _ gateway.Application) string {
		return listen(t, func(l net.Listener) {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go serve(conn)
			}
		})
	}
}

// TestBadServer is what the child process runs.
func TestBadServer(t *testing.T) {
	name := os.Getenv(badServerVar)
	if name == "" {
		t.Skip("run by TestWrongThingsEndInAClearFailure in a process of its own")
	}
	switch {
	case hanging[name]:
		gatewaytest.SetPatience(200 * time.Millisecond)
	case !strings.Contains(name, "known failure"): // those pass cases, and are not to fail them
		gatewaytest.SetPatience(time.Second)
	}
	badServers[name](t)
}

// Whatever TestServer is given, it ends in a clear failure, and neither hangs nor ends the test
// binary by a panic.
func TestWrongThingsEndInAClearFailure(t *testing.T) {
	const first = "C40/a-request-gets-an-answer"
	for name, want := range map[string][]string{
		"nil": {"TestServer needs a start func"},
		"a start that never returns": {
			first, "start did not return within", "3 cases hung; the cases after them were not run"},
		"a start whose cleanup never returns": {
			first + ": the functions that start has given to t.Cleanup did not return within 600ms", "3 cases hung"},
		"a start that returns nothing":        {first, "start returned no URL"},
		"a start that returns no URL":         {first, `start returned "localhost:\x00 8000"`},
		"a start that returns another scheme": {first, `start returned "https://127.0.0.1:8000"`},
		"a start that fails":                  {first, "no port is free"},
		"a start that skips":                  {"no case was run"},
		"a start that panics":                 {first, "start panicked: no configuration"},
		"a server that is not there": {first, "no connection: ",
			"The server is to blame. The rule is C40: Every request gets an answer"},
		"a server that answers garbage": {
			first, `no HTTP response but "\x00\xff garbage \r\n"`, "The server is to blame."},
		"a server that answers without end": {first, "no HTTP response but"},
		"a server whose body does not end": {
			first, "the server hangs: after 200ms the body has not ended; so far it is \"five!\""},
		"a server that hangs": {
			first, "the server hangs: no answer within 200ms", "3 cases hung"},
		"a server that never accepts": {
			first, "the server hangs: no answer within 200ms", "3 cases hung"},
		"a server that closes at once":                {first, "no answer: EOF"},
		"a server that does not call the application": {first, "the application was not called"},
		"a server whose application never ends": {
			"a response did not come to its end within 200ms", "3 cases hung"},
		"a known failure that passes": {
			"R89/one-block-gets-a-length passes, and is listed as a known failure", "an old excuse"},
		"a known failure of no case":       {`a known failure names the case "R89/no-such-case"`},
		"a known failure without a reason": {`the known failure "R89/one-block-gets-a-length" has no reason`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if badServers[name] == nil {
				t.Fatal("there is no such bad server")
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "-test.run=^TestBadServer$", "-test.timeout=50s")
			cmd.Env = append(os.Environ(), badServerVar+"="+name)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("the child ends with %v, want exit status 1", err)
			}
			rest := output
			for _, s := range want { // in this order
				_, after, found := bytes.Cut(rest, []byte(s))
				if !found {
					t.Errorf("it does not say %q", s)
					continue
				}
				rest = after
			}
			for _, s := range []string{"panic:", "goroutine ", "fatal error:", "test timed out"} {
				if bytes.Contains(output, []byte(s)) {
					t.Errorf("it says %q", s)
				}
			}
			if t.Failed() {
				lines := strings.SplitAfter(string(output), "\n")
				t.Logf("%s", strings.Join(lines[:min(60, len(lines))], ""))
			}
		})
	}
	if len(badServers) != 21 {
		t.Errorf("there are %d bad servers, and 21 are tested", len(badServers))
	}
}
