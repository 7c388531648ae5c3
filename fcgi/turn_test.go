package fcgi_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
)

// An application that is slow is noticed also on connections that have been busy all the time: the
// next request is not left unseen.
func TestASlowRequestAfterManyFastOnes(t *testing.T) {
	s := newScript(t)
	site := serve(t, s.call)
	var clients [4]*client
	for i := range clients {
		clients[i] = site.dial()
	}
	for range 10 {
		var fast sync.WaitGroup
		for _, c := range clients {
			fast.Go(func() {
				for stop := time.Now().Add(10 * time.Millisecond); time.Now().Before(stop); {
					if a := c.roundTrip(1, get(1, "/echo")); a.body() != "/echo " {
						t.Errorf("a fast one: %q", a.stdout)
						return
					}
				}
			})
		}
		fast.Wait()
		for _, c := range clients {
			c.send(get(1, "/slow"))
			slow := s.next("/slow")
			if a := c.roundTrip(2, get(2, "/echo")); a.body() != "/echo " {
				t.Errorf("beside the slow one: %q", a.stdout)
			}
			slow.finish()
			if a := c.read(1); a.body() != "answer to /slow" {
				t.Errorf("the slow one: %q", a.stdout)
			}
		}
	}
}

// An application may keep its connection from being read for 2 ms, whatever goes on on others: not
// less, since most end before, and to take over costs more than they do.
func TestHowLongAnApplicationHasTheConnection(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if strings.HasPrefix(env.Vars["PATH_INFO"], "/slow") {
			time.Sleep(time.Second)
		}
		return echo(env, start)
	}
	inBubble(t, app, nil, func(b *bubble) {
		first, second := b.dial(), b.dial()
		var all sync.WaitGroup
		quick := func(c *client) {
			begun := time.Now()
			c.send(get(1, "/slow"))
			if a := c.roundTrip(2, get(2, "/quick")); a.body() != "/quick " {
				t.Errorf("%q", a.stdout)
			}
			if took := time.Since(begun); took != 2*time.Millisecond {
				t.Errorf("the second request was seen after %v, want 2ms", took)
			}
			c.read(1)
		}
		all.Go(func() { quick(first) })
		time.Sleep(time.Millisecond)
		all.Go(func() { quick(second) })
		all.Wait()
	})
}

// On a connection with several open requests, an application that has got a piece of its body does
// not keep the others' records from being read.
func TestAReaderBesideOthersDoesNotGetTheTurn(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		switch env.Vars["PATH_INFO"] {
		case "/open":
			time.Sleep(time.Second)
		case "/read":
			if _, err := env.Input.Read(make([]byte, 100)); err != nil {
				return nil, err
			}
			time.Sleep(time.Second)
		}
		return echo(env, start)
	}
	inBubble(t, app, nil, func(b *bubble) {
		c := b.dial()
		c.send(get(1, "/open"))
		time.Sleep(10 * time.Millisecond)
		c.send(head(2, keepConn, "POST", "/read", "CONTENT_LENGTH", "5"))
		time.Sleep(10 * time.Millisecond)
		c.send(rec(stdinRecord, 2, "piece"))
		begun := time.Now()
		if a := c.roundTrip(3, get(3, "/quick")); a.body() != "/quick " {
			t.Errorf("%q", a.stdout)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("the answer beside the reader took %v", took)
		}
		c.send(rec(stdinRecord, 2, ""))
		c.read(1)
		c.read(2)
	})
}
