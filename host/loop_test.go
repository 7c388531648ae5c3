package host

import (
	"io"
	"log"
	"maps"
	"net"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

var discard = log.New(io.Discard, "", 0)

// nameOf returns the address of a listener as Addresses has it.
func nameOf(a net.Addr) string { return a.Network() + ":" + a.String() }

// behind returns a start for gatewaytest.TestServer: an HTTP server in front of hosted in front of
// the server of a protocol, which serves the application of the suite. without has the cases that
// are not run, and why.
func behind(network string, server func(app gateway.Application) testServer,
	hosted func(addresses []string) gateway.Application,
	without map[string]string) func(t *testing.T, app gateway.Application) string {
	return func(t *testing.T, app gateway.Application) string {
		name := strings.Split(t.Name(), "/")
		if reason := without[strings.Join(name[len(name)-2:], "/")]; reason != "" {
			t.Skip(reason)
		}
		addr := testhost.Backend(t, server(app), network)
		front := &nethttp.Server{Application: hosted([]string{nameOf(addr)}),
			ErrorLog: log.New(t.Output(), "", 0)}
		return "http://" + testhost.Backend(t, front, "tcp").String()
	}
}

type testServer interface {
	Serve(net.Listener) error
	Close() error
}

func fcgiServer(app gateway.Application) testServer {
	return &fcgi.Server{Application: app, ErrorLog: discard}
}

func scgiServer(app gateway.Application) testServer {
	return &scgi.Server{Application: app, ErrorLog: discard}
}

func uwsgiServer(app gateway.Application) testServer {
	return &uwsgi.Server{Application: app, ErrorLog: discard}
}

// Why a hosted application cannot pass some cases.
const (
	waitsForABlock = "the head waits a moment for the first block, and an answer that fails then is a page"
	waitsForTheEnd = "the end of an answer is that of the connection, and " + waitsForABlock
	half           = "net/http takes a client that closes its half for one that has left"
)

// known are the cases that no hosted application passes.
var known = []gatewaytest.KnownFailure{
	{Case: "R76/after-an-empty-write-it-is-too-late-for-another-head", Reason: waitsForABlock},
	{Case: "R87/no-byte-of-those-declared-can-be-told", Reason: waitsForABlock},
	{Case: "R87/one-byte-too-few-can-be-told", Reason: waitsForABlock},
}

// notRun are the cases that would hang, or that net/http decides in a race.
var notRun = map[string]string{
	"C40/a-client-that-ends-its-side-gets-its-answer": half,
}

// notRunToEnd are more cases that would hang where an answer ends with its connection.
var notRunToEnd = map[string]string{
	"R21/a-slow-close-does-not-hold-back-a-response-of-no-block": waitsForTheEnd,
	"R21/a-slow-close-does-not-hold-back-a-response-to-head":     waitsForTheEnd,
}

// The conformance suite, through a client and a server of each protocol. Over TCP a response that
// SCGI or uwsgi cuts off ends with a reset.
func TestLoops(t *testing.T) {
	stream := Options{Stream: true}
	for _, c := range []struct {
		name    string
		network string
		server  func(gateway.Application) testServer
		hosted  func(address []string) gateway.Application
	}{
		{"FastCGI", "tcp", fcgiServer, func(a []string) gateway.Application {
			return &FastCGI{Addresses: a}
		}},
		{"FastCGI that streams and keeps connections", "unix", fcgiServer,
			func(a []string) gateway.Application {
				return &FastCGI{Addresses: a, Options: stream, MaxIdle: 2}
			}},
		{"SCGI that streams", "tcp", scgiServer, func(a []string) gateway.Application {
			return &SCGI{Addresses: a, Options: stream}
		}},
		{"uwsgi", "tcp", uwsgiServer, func(a []string) gateway.Application {
			return &UWSGI{Addresses: a}
		}},
		{"uwsgi that streams", "tcp", uwsgiServer, func(a []string) gateway.Application {
			return &UWSGI{Addresses: a, Options: stream}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			without := maps.Clone(notRun)
			if !strings.HasPrefix(c.name, "FastCGI") {
				maps.Copy(without, notRunToEnd)
			}
			gatewaytest.TestServer(t, behind(c.network, c.server, c.hosted, without), known...)
		})
	}
}
