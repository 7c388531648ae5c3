package host

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// A server that got half a body would run its program on that, as PHP does, or keep a worker waiting
// for the rest, as uWSGI does.
func TestHalfABodyReachesNoServer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	go func() {
		defer close(reached)
		if conn, err := l.Accept(); err == nil {
			t.Error("the server was reached")
			conn.Close()
		}
	}()
	addresses := []string{"unix:" + socket}
	for name, app := range map[string]gateway.Application{
		"FastCGI": &FastCGI{Addresses: addresses},
		"SCGI":    &SCGI{Addresses: addresses},
		"UWSGI":   &UWSGI{Addresses: addresses},
	} {
		for _, length := range []string{"10", ""} {
			env := gatewaytest.NewEnviron("POST", "/", io.MultiReader(strings.NewReader("half"), gone{}))
			if length != "" {
				env.Vars["CONTENT_LENGTH"] = length
				delete(env.Vars, "HTTP_TRANSFER_ENCODING")
			}
			if r := gatewaytest.Record(app, env); !errors.Is(r.Err, gateway.ErrDisconnected) {
				t.Errorf("%s, length %q: %v, %q", name, length, r.Err, r.Errors)
			}
		}
	}
	l.Close()
	<-reached
}

// gone is the rest of a body whose client has left.
type gone struct{}

func (gone) Read([]byte) (int, error) { return 0, gateway.ErrDisconnected }
