package cgi

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/lazyctx"
)

// termGrace is how long further SIGTERMs are taken for the first: Apache, when it stops, sends one to the program and one to its
// process group.
const termGrace = time.Second

// watchSignals cancels ctx on SIGTERM, which hosts send before they kill (Apache, lighttpd), and after termGrace leaves the next
// one to the runtime. It is called when somebody cares: installing the handler costs a sixth of a program's start.
func watchSignals(ctx *lazyctx.Context) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	go func() {
		select {
		case <-c:
			ctx.Cancel(gateway.ErrShutdown)
			time.Sleep(termGrace)
		case <-ctx.Done():
		}
		signal.Stop(c)
	}()
}
