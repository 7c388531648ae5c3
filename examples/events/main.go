// Server-Sent Events: the lines of a file, as they are written. The id of an event is the place of
// the next line: a browser that comes back misses none, whichever process it comes to.
//
//	EVENTS=/tmp/log go run ./examples/events &
//	echo hello >>/tmp/log
//	curl -N http://127.0.0.1:8000/
//
// A server that is told to stop ends its streams, which have no end, after a second.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/serve"
)

// wait is between two looks at the file. Proxies close a connection that is quiet for a minute.
const wait, heartbeat = 500 * time.Millisecond, 15 * time.Second

type feed string // the path of the file

func (f feed) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	place, _ := strconv.ParseInt(env.Header("Last-Event-ID"), 10, 64) // 0 without one
	if size, err := file.Seek(0, io.SeekEnd); err != nil || place < 0 || place > size {
		place = 0 // the id is of an earlier file
	}
	if _, err := file.Seek(place, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	body := gateway.Stream(func(yield func([]byte, error) bool) {
		in, line, quiet := bufio.NewReader(file), "", time.Duration(0)
		// The head goes out with the first block, and tells the browser that it is connected.
		for going := yield([]byte("retry: 2000\n\n"), nil); going; {
			part, err := in.ReadString('\n')
			line += part
			switch {
			case err == nil:
				place += int64(len(line))
				data := strings.ReplaceAll(line[:len(line)-1], "\r", "") // a CR ends a line, too
				going = yield(fmt.Appendf(nil, "id: %d\ndata: %s\n\n", place, data), nil)
				line, quiet = "", 0
			case err != io.EOF:
				going = yield(nil, err)
			case quiet >= heartbeat:
				going = yield([]byte(":\n\n"), nil) // a comment, to see whether the client is there
				quiet = 0
			default:
				select {
				case <-time.After(wait):
					quiet += wait
				case <-env.Context().Done(): // the client has left, or the server stops
					return
				}
			}
		}
	})
	return start.Answer(200, gateway.Headers{{"Content-Type", "text/event-stream"},
		{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}, // nginx would wait for more
	}, gateway.OnClose(body, file.Close))
}

func main() {
	if err := (&serve.Server{Application: feed(os.Getenv("EVENTS")), Grace: time.Second}).Run(); err != nil {
		log.Fatal(err)
	}
}
