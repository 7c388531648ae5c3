// A stream: a generator that yields over time and cleans up when the client leaves. Each block is
// on its way before the next is made.
//
//	go run ./examples/stream
package main

import (
	"io"
	"os"
	"strconv"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

var events = gateway.Headers{{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}

func ticks(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", events, nil); err != nil {
		return nil, err
	}
	count := 5
	if n, err := strconv.Atoi(env.Vars["QUERY_STRING"]); err == nil {
		count = n // /ticks?100
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	body := gateway.Stream(func(yield func([]byte, error) bool) {
		for i := range count {
			if !yield([]byte("data: tick "+strconv.Itoa(i+1)+"\n\n"), nil) {
				return // the block could not be sent: the client has left
			}
			select {
			case <-ticker.C:
			case <-env.Context().Done(): // the client has left between two blocks, or the server stops
				return
			}
		}
	})
	// Close runs on every path, also if the generator never began.
	return gateway.OnClose(body, func() error {
		ticker.Stop()
		_, err := io.WriteString(env.Errors, "ticks: closed\n")
		return err
	}), nil
}

func main() {
	if err := cgi.Run(gateway.ApplicationFunc(ticks)); err != nil {
		os.Exit(1)
	}
}
