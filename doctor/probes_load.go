package doctor

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Whether requests are lost while somebody restarts the application.

// load sends requests over connections that are kept, and counts those that are lost.
func (v *visit) load(ctx context.Context) (string, *Finding) {
	const connections = 4
	var answered, lost atomic.Int64
	var first sync.Once
	reason := ""
	end := time.Now().Add(v.Load)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				v.loadConn(ctx, end, func(err string) {
					if err == "" {
						answered.Add(1)
						return
					}
					lost.Add(1)
					first.Do(func() { reason = err })
				})
			}
		})
	}
	wg.Wait()
	text := fmt.Sprintf("%d requests answered, %d lost", answered.Load(), lost.Load())
	if lost.Load() > 0 {
		text += ", the first: " + reason
		return text, v.find("load-lost", text)
	}
	return text, nil
}

// loadConn sends requests over one connection until it ends.
func (v *visit) loadConn(ctx context.Context, end time.Time, count func(err string)) {
	ctx, cancel := context.WithTimeout(ctx, time.Until(end)+patience)
	defer cancel()
	conn, err := v.dial(ctx)
	if err != nil {
		count(why(err))
		time.Sleep(20 * time.Millisecond)
		return
	}
	defer conn.Close()
	for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
		answer, err := v.exchange(conn, call{query: "doctor=length", keep: true})
		switch {
		case err != nil && i > 0:
			// The web server may close a connection that is kept, just as a request comes: clients
			// send such a request again.
			return
		case err != nil:
			count(why(err))
			return
		case answer.code != 200 || answer.err != nil:
			count("an answer " + strconv.Itoa(answer.code))
		default:
			count("")
		}
		if answer.header.Get("Connection") == "close" || answer.err != nil {
			return
		}
	}
}
