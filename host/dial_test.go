package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

func TestAddressesThatAreNone(t *testing.T) {
	for _, test := range []struct {
		addresses []string
		says      string
	}{
		{nil, "there is no address: set Addresses"},
		{[]string{""}, `write "unix:/run/app.sock" or "tcp:127.0.0.1:9000"`},
		{[]string{"unix:"}, `the address "unix:": write "unix:/run/app.sock" or`},
		{[]string{"127.0.0.1:9000"}, `write "tcp:127.0.0.1:9000"`},
		{[]string{"php:9000"}, `write "tcp:php:9000"`},
		{[]string{"/run/php.sock"}, `write "unix:/run/php.sock"`},
		{[]string{"tcp:127.0.0.1"}, `the address "tcp:127.0.0.1": write`},
		{[]string{"tcp:127.0.0.1:"}, `write "unix:/run/app.sock" or`},
		{[]string{"http://127.0.0.1:9000"}, `write "unix:/run/app.sock" or`},
		{[]string{"unix:/x", "nonsense"}, `the address "nonsense": write`},
	} {
		for _, app := range []gateway.Application{&FastCGI{Addresses: test.addresses},
			&SCGI{Addresses: test.addresses}, &UWSGI{Addresses: test.addresses}} {
			for range 2 { // also the second time
				r := get(app)
				if r.Code() != 502 || !strings.Contains(r.Errors, ErrUnavailable.Error()) ||
					!strings.Contains(r.Errors, test.says) {
					t.Errorf("%q: %s, the log has %q, want %q", test.addresses, r.Status, r.Errors,
						test.says)
				}
			}
		}
	}
}

// deadSocket returns the path of a socket on which nobody listens any more.
func deadSocket(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	l.Close()
	return path
}

// deadPort returns an address of TCP on which nobody listens.
func deadPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tcp:" + l.Addr().String()
}

func TestServersThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	l, err := net.Listen("unix", closed)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ address, says string }{
		{"unix:" + dir + "/none", "the socket does not exist: is the server running"},
		{"unix:" + deadSocket(t), "nobody listens on the socket"},
		{"unix:" + file, "the connection was refused|nobody listens on the socket"},
		{"unix:/tmp/" + strings.Repeat("x", 200), "has at most 107 bytes"},
		{"unix:" + closed, "permission denied: this process runs as user"},
		{deadPort(t), "the connection was refused: is the server running"},
		{"tcp:no-such-host.invalid:9000", "the name of the host is wrong|no connection within"},
		{"tcp:127.0.0.1:99999", "invalid port"},
	} {
		if test.address == "unix:"+closed && os.Getuid() == 0 {
			continue // root may
		}
		r := get(&FastCGI{Addresses: []string{test.address}})
		found := slices.ContainsFunc(strings.Split(test.says, "|"),
			func(s string) bool { return strings.Contains(r.Errors, s) })
		if r.Code() != 502 || !strings.HasPrefix(r.Errors,
			"FastCGI "+test.address+": host: the program cannot be reached: ") || !found {
			t.Errorf("%s: %s, the log has %q, want %q", test.address, r.Status, r.Errors, test.says)
		}
		if r.Body() != "502 Bad Gateway\n" {
			t.Errorf("the client gets %q", r.Body())
		}
	}
}

// What a process may not use says who it is, and what the socket allows.
func TestASocketThatMayNotBeUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	err := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)}
	got := explain(err, &address{network: "unix", path: path}, time.Second)
	want := fmt.Sprintf("permission denied: this process runs as user %d, which must be able to "+
		"write to the socket; "+
		"its mode is -rw-r-----", os.Getuid())
	if !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Several addresses are used in turn.
func TestAddressesInTurn(t *testing.T) {
	var backends []*backend
	var addresses []string
	for range 3 {
		b := newBackend(t, "unix", answering(t, hello))
		backends = append(backends, b)
		addresses = append(addresses, b.address...)
	}
	app := &FastCGI{Addresses: addresses}
	for range 9 {
		if r := get(app); r.Body() != "hello" {
			t.Fatal(r.Status, r.Errors)
		}
	}
	for i, b := range backends {
		if n := b.accepted(); n != 3 {
			t.Errorf("server %d has got %d of 9 requests", i, n)
		}
	}
}

// A server that cannot be reached costs no request, and is left alone for a time. The others share
// its requests.
func TestAnAddressThatFails(t *testing.T) {
	var backends []*backend
	addresses := []string{"unix:" + deadSocket(t)}
	for range 2 {
		b := newBackend(t, "unix", answering(t, hello))
		backends = append(backends, b)
		addresses = append(addresses, b.address...)
	}
	app := &FastCGI{Addresses: addresses}
	for range 13 {
		if r := get(app); r.Body() != "hello" || r.Errors != "" {
			t.Fatal(r.Status, r.Errors)
		}
	}
	a, b := backends[0].accepted(), backends[1].accepted()
	if a+b != 13 || a < 5 || b < 5 {
		t.Errorf("the others have got %d and %d of 13 requests", a, b)
	}
	dead := app.dialer.addresses[0]
	if left := time.Until(dead.down); left <= 0 || left > downTime {
		t.Errorf("it is left alone for %v", left)
	}

	// It is tried again when its time is over, by one request; and at the end by all if nobody else
	// is there.
	dead.down = time.Now()
	if order, _ := app.dialer.order(nil); !slices.Contains(order[:1], dead) {
		order, _ = app.dialer.order(nil)
		if again, _ := app.dialer.order(nil); order[0] != dead && again[0] != dead {
			t.Error("it is not tried again")
		}
	}
	dead.down = time.Now().Add(time.Hour)
	for range 4 {
		order, _ := app.dialer.order(nil)
		if order[2] != dead || order[0] == order[1] || slices.Contains(order[:2], dead) {
			t.Error("it is not the last")
		}
	}
	for _, a := range app.dialer.addresses {
		a.down = time.Now().Add(time.Hour)
	}
	if r := get(app); r.Body() != "hello" {
		t.Error("all have failed, and none is tried", r.Errors)
	}
	if n := len(slices.DeleteFunc(slices.Clone(app.dialer.addresses),
		func(a *address) bool { return !a.down.IsZero() })); n != 1 {
		t.Errorf("%d are well again, want the one that was reached", n)
	}
}

// While a request finds out whether an address is well again, the others go elsewhere.
func TestOneRequestTriesAnAddressAgain(t *testing.T) {
	d := &dialer{}
	order, err := d.order([]string{"unix:" + deadSocket(t), "unix:" + deadSocket(t)})
	if err != nil {
		t.Fatal(err)
	}
	a := order[0]
	a.down = time.Now().Add(-time.Second)
	if _, err := d.dialOne(context.Background(), a, time.Second, true); !errors.Is(err,
		ErrUnavailable) {
		t.Error(err)
	}
	if !a.down.After(time.Now()) {
		t.Error("an address that has failed again is not left alone")
	}
	if _, err := d.dialOne(cancelled(), order[1], time.Second, true); err == nil ||
		!order[1].down.IsZero() {
		t.Errorf("%v; an address is left alone for what a client has done: %v", err, order[1].down)
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// The message names the address if there are several.
func TestAllAddressesFail(t *testing.T) {
	first, second := "unix:"+deadSocket(t), "unix:"+deadSocket(t)
	r := get(&SCGI{Addresses: []string{first, second}})
	if r.Code() != 502 || !strings.Contains(r.Errors,
		"cannot be reached at "+first+": nobody listens") {
		t.Errorf("%s, %q", r.Status, r.Errors)
	}
}

// A Unix socket whose queue is full lets nobody wait, as TCP does. So the wait is here, and
// bounded.
func TestAServerThatDoesNotAccept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fill := listenWithoutQueue(t, path)
	app := &FastCGI{Addresses: []string{"unix:" + path}, ConnectTimeout: 100 * time.Millisecond}
	r := get(app)
	if r.Code() != 503 || !strings.Contains(r.Errors, "its queue is full") ||
		!strings.Contains(r.Errors, ErrOverloaded.Error()) {
		t.Errorf("%s, %q", r.Status, r.Errors)
	}
	if a := app.dialer.addresses[0]; !a.down.IsZero() {
		t.Error("a server that is busy counts as one that has failed")
	}

	// A client that leaves meanwhile does not wait.
	ctx, leave := context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { leave(gateway.ErrDisconnected) })
	env := gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx)
	app = &FastCGI{Addresses: []string{"unix:" + path}, ConnectTimeout: time.Hour}
	if r := gatewaytest.Record(app, env); !errors.Is(r.Err, gateway.ErrDisconnected) {
		t.Errorf("%s, %v", r.Status, r.Err)
	}

	// When there is room, the request goes on.
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		time.Sleep(20 * time.Millisecond)
		fill(answering(t, hello))
	})
	if r := get(app); r.Body() != "hello" {
		t.Errorf("%s, %q", r.Status, r.Errors)
	}
}
