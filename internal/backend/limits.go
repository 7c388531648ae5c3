package backend

import "time"

// Limits are what a server puts up with. In each, zero is the default and a negative number is no limit.
type Limits struct {
	MaxConns          int
	MaxRequests       int
	MaxHeaderBytes    int
	MaxHeaders        int
	MaxBodyBytes      int64
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	WriteTimeout      time.Duration
	IdleTimeout       time.Duration
}

// The defaults. Hosts keep idle connections for a minute (nginx, Apache): a backend that closes them earlier makes the host
// send a request into a connection that is being closed.
const (
	DefaultMaxConns          = 10000
	DefaultMaxRequests       = 10000
	DefaultMaxHeaderBytes    = 1 << 20
	DefaultMaxHeaders        = 1000
	DefaultReadHeaderTimeout = 30 * time.Second
	DefaultReadTimeout       = 60 * time.Second
	DefaultWriteTimeout      = 60 * time.Second
	DefaultIdleTimeout       = 5 * time.Minute
)

// Unlimited is a MaxBodyBytes without a limit.
const Unlimited = 1 << 62

// WithDefaults returns the limits with defaults for what is zero, and for what is unlimited a number that nothing reaches;
// durations without a limit are 0.
func (l Limits) WithDefaults() Limits {
	l.MaxConns = limit(l.MaxConns, DefaultMaxConns, 1<<20)
	l.MaxRequests = limit(l.MaxRequests, DefaultMaxRequests, 1<<30)
	l.MaxHeaderBytes = limit(l.MaxHeaderBytes, DefaultMaxHeaderBytes, 1<<30)
	l.MaxHeaders = limit(l.MaxHeaders, DefaultMaxHeaders, 1<<30)
	l.MaxBodyBytes = limit(l.MaxBodyBytes, Unlimited, Unlimited)
	l.ReadHeaderTimeout = limit(l.ReadHeaderTimeout, DefaultReadHeaderTimeout, 0)
	l.ReadTimeout = limit(l.ReadTimeout, DefaultReadTimeout, 0)
	l.WriteTimeout = limit(l.WriteTimeout, DefaultWriteTimeout, 0)
	l.IdleTimeout = limit(l.IdleTimeout, DefaultIdleTimeout, 0)
	return l
}

func limit[T int | int64 | time.Duration](value, byDefault, none T) T {
	switch {
	case value == 0:
		return byDefault
	case value < 0:
		return none
	}
	return value
}
