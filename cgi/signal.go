package cgi

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/gateway"
)

// termGrace is how long further SIGTERMs count as the first. When Apache stops, it sends one to the
// program and one to the program's process group.
const termGrace = time.Second

// Watch implements lazyctx.Watcher. From now on a SIGTERM, which Apache and lighttpd send before
// they kill, ends the Context. After termGrace the next SIGTERM is the runtime's again, which ends
// the process.
//
// Nothing calls Watch before somebody cares: to install the handler takes a sixth of the time that
// a program needs to start.
func (t *transport) Watch() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	go func() {
		select {
		case <-c:
			t.ctx.Cancel(gateway.ErrShutdown)
			time.Sleep(termGrace)
		case <-t.ctx.Done():
		}
		signal.Stop(c)
	}()
}
