//go:build unix

package serve_test

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// If a third process holds the listening socket, as systemd does, a restart loses no request: the
// old process finishes those that it has accepted, while the new one accepts. Clients ask without a
// pause while three processes come and go. Each request gets a whole answer, from one or the other.
func TestARestartLosesNothing(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		for _, network := range []string{"unix", "tcp"} {
			f, addr := passed(t, network)
			generation := func() *child {
				c := begin(t, nil, []*os.File{f}, "LISTEN_PID=self", "LISTEN_FDS=1", "LISTEN_FDNAMES="+protocol)
				c.started(protocol)
				return c
			}
			old := generation()
			begun, _, err := ask(protocol, network, addr.String(), "/body") // goes on over the first restart
			if err != nil {
				t.Fatal(err)
			}
			load := newLoad(t, protocol, addr)
			for range 3 {
				load.goOn(50)
				next := generation()
				old.signal(syscall.SIGTERM)
				if begun != nil {
					old.await("waiting up to")
					load.goOn(50)
					if err := begun.finish(); err != nil {
						t.Errorf("%s, %s: the request that was going on: %v", protocol, network, err)
					}
					begun = nil
				}
				old.ends(0, "nil")
				old = next
			}
			load.goOn(50)
			if answered := load.end(); len(answered) < 2 {
				t.Errorf("%s, %s: answers came from %d processes", protocol, network, len(answered))
			}
			old.signal(syscall.SIGTERM)
			old.ends(0, "nil")
		}
	}
}

// A load is a number of clients that send requests until end is called.
type load struct {
	stop    atomic.Bool
	done    chan struct{} // gets one for each answer
	clients sync.WaitGroup
	mu      sync.Mutex
	by      map[string]int
}

func newLoad(t *testing.T, protocol string, addr net.Addr) *load {
	l := &load{done: make(chan struct{}), by: make(map[string]int)}
	for range 3 {
		l.clients.Go(func() {
			for !l.stop.Load() {
				call, who, err := ask(protocol, addr.Network(), addr.String(), "/")
				if err == nil {
					err = call.finish()
				}
				if err != nil {
					t.Errorf("%s, %s: a request was lost: %v", protocol, addr.Network(), err)
				}
				l.mu.Lock()
				l.by[who]++
				l.mu.Unlock()
				select {
				case l.done <- struct{}{}:
				default:
				}
			}
		})
	}
	return l
}

// goOn waits for n more answers.
func (l *load) goOn(n int) {
	for range n {
		<-l.done
	}
}

// end stops the clients, and returns how many answers came from which process.
func (l *load) end() map[string]int {
	l.stop.Store(true)
	l.clients.Wait()
	return l.by
}
