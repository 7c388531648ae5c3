package gatewaytest_test

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/rules"
)

// startToy serves app with the server of the example.
func startToy(t *testing.T, app gateway.Application) string {
	return listen(t, func(l net.Listener) { serveToy(l, app) })
}

// listen runs a server until the end of the test and returns its URL.
func listen(t *testing.T, serve func(l net.Listener)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go serve(l)
	return "http://" + l.Addr().String()
}

func TestToyServer(t *testing.T) { testToyServer(t) }

// One process of a server that has many, with one connection at a time: what waits for another
// request there waits for ever.
func TestAServerOfOneThreadAmongOthersPasses(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		single := gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			env.Multithread, env.Multiprocess = false, true
			return app.Call(env, start)
		})
		return listen(t, func(l net.Listener) {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				over := make(chan struct{})
				go func() { // which an application may end
					defer close(over)
					serveConn(conn.(*net.TCPConn), single)
				}()
				<-over
			}
		})
	})
}

// A failure quotes a rule, so the rule must be there; and its line in the results must say what it
// is about.
func TestEachCaseHasARuleAndANameInWords(t *testing.T) {
	known := map[string]bool{}
	for _, r := range rules.All {
		known[r.ID] = true
	}
	inWords := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+){2,}$|^[0-9]{3}(-[a-z0-9]+){2,}$`)
	seen := map[string]bool{}
	covered := map[string]bool{}
	for _, c := range gatewaytest.Cases() {
		rule, name := c[0], c[1]
		if !known[rule] {
			t.Errorf("%s/%s: there is no such rule", rule, name)
		}
		if !inWords.MatchString(name) || len(name) > 80 {
			t.Errorf("%s/%s: the name is not in words with dashes", rule, name)
		}
		if seen[name] {
			t.Errorf("%s/%s: the name is there twice", rule, name)
		}
		seen[name] = true
		covered[rule] = true
	}
	if len(seen) < 120 {
		t.Errorf("there are %d cases, want 120 at least", len(seen))
	}
	for i, id := range gatewaytest.Elementary {
		if c := gatewaytest.Cases()[i]; c[0]+"/"+c[1] != id {
			t.Errorf("case %d is %s, want %s", i, c[0]+"/"+c[1], id)
		}
	}
	// What a server makes of the request comes before what it makes of a response.
	if environ, response := slices.Index(gatewaytest.Cases(), [2]string{"C28", "repeated-headers-are-joined-in-order"}),
		slices.Index(gatewaytest.Cases(),
			[2]string{"R16", "each-block-arrives-before-the-next-is-asked-for"}); environ < 0 ||
		environ > response {
		t.Errorf("a case of the Environ is the case %d, and one of a response %d", environ, response)
	}
	for i := range 11 {
		if id := "D" + strconv.Itoa(i+1); !covered[id] {
			t.Errorf("no case is about %s", id)
		}
	}
}
