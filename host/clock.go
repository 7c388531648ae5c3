package host

import (
	"sync"
	"time"
)

// A clock ends an exchange when it has run for too long without being touched. It does not run
// while somebody else than the program is waited for.
type clock struct {
	late func(time.Duration) // called once the time is over

	mu     sync.Mutex
	limit  time.Duration // 0 is none
	pauses int
	over   bool // the exchange is
	timer  *time.Timer
}

// set sets the limit, and begins anew.
func (c *clock) set(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
	c.restart()
}

// pause stops the clock until resume was called as often as pause. It returns false if the exchange
// is over.
func (c *clock) pause() bool { return c.add(1) }

// resume begins anew if nobody else wants the clock to pause.
func (c *clock) resume() { c.add(-1) }

func (c *clock) add(pauses int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pauses += pauses
	c.restart()
	return !c.over
}

// stop stops the clock for good.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.restart()
}

// restart makes the timer what the other fields say. c.mu is held.
func (c *clock) restart() {
	switch limit := c.limit; {
	case c.pauses > 0 || limit == 0 || c.over:
		if c.timer != nil {
			c.timer.Stop()
		}
	case c.timer == nil:
		c.timer = time.AfterFunc(limit, func() {
			c.mu.Lock()
			limit := c.limit
			c.mu.Unlock()
			c.late(limit)
		})
	default:
		c.timer.Reset(limit)
	}
}
