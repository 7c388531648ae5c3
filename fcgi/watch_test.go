package fcgi_test

import (
	"sync"
	"testing"
	"time"
)

// An application that is slow is noticed also on connections that have been busy all the time: the next request is not left unseen.
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
