package request

import "time"

// Limits are what a server puts up with from its clients or its host. In each field zero is the
// default, and a negative number is no limit. The servers of this module embed a Limits, and each
// says there what differs.
type Limits struct {
	// MaxConns is how many connections are open at a time: 10000. More connections wait in the kernel.
	MaxConns int

	// MaxRequests is how many requests are going on at a time: 10000. More requests get a 503.
	MaxRequests int

	// MaxHeaderBytes is the size of a request's variables or headers, names and values: 1 MiB. A
	// larger request gets a 431.
	MaxHeaderBytes int

	// MaxHeaders is the number of a request's variables or headers: 1000. A request with more gets
	// a 431.
	MaxHeaders int

	// MaxBodyBytes is the size of a request's body: unlimited. A request with a longer
	// CONTENT_LENGTH gets a 413. The body of a request without one ends with [ErrBodyTooLarge].
	MaxBodyBytes int64

	// ReadHeaderTimeout is how long all variables or headers of a request may take: 30 seconds.
	ReadHeaderTimeout time.Duration

	// ReadTimeout is how long the next bytes of a body may take: 60 seconds. Unlike net/http's
	// ReadTimeout, it is not for the whole body: a slow client that keeps going is not cut off.
	ReadTimeout time.Duration

	// WriteTimeout is how long the peer may accept nothing of what is sent: 60 seconds. Unlike
	// net/http's WriteTimeout, it is not for the whole response.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection is kept for its next request: 5 minutes. Web servers
	// keep their connections to a backend for a minute. A backend that closes first makes the web
	// server send a request into a connection that is being closed.
	IdleTimeout time.Duration
}

// The defaults of [Limits].
const (
	defaultMaxConns          = 10000
	defaultMaxRequests       = 10000
	defaultMaxHeaderBytes    = 1 << 20
	defaultMaxHeaders        = 1000
	defaultReadHeaderTimeout = 30 * time.Second
	defaultReadTimeout       = 60 * time.Second
	defaultWriteTimeout      = 60 * time.Second
	defaultIdleTimeout       = 5 * time.Minute
)

// NoLimit is the MaxBodyBytes of [Limits.WithDefaults] for a body without a limit.
const NoLimit = 1<<63 - 1

// WithDefaults returns the limits with the default in each field that is zero. In a field that is
// negative it returns a number that nothing reaches and that is far from an overflow, NoLimit for
// MaxBodyBytes, and 0 for a duration: a server then sets no deadline. It is to be called once, since
// a second call takes that 0 for the default.
func (l Limits) WithDefaults() Limits {
	l.MaxConns = limit(l.MaxConns, defaultMaxConns, 1<<20)
	l.MaxRequests = limit(l.MaxRequests, defaultMaxRequests, 1<<30)
	l.MaxHeaderBytes = limit(l.MaxHeaderBytes, defaultMaxHeaderBytes, 1<<30)
	l.MaxHeaders = limit(l.MaxHeaders, defaultMaxHeaders, 1<<30)
	l.MaxBodyBytes = limit(l.MaxBodyBytes, NoLimit, NoLimit)
	l.ReadHeaderTimeout = limit(l.ReadHeaderTimeout, defaultReadHeaderTimeout, 0)
	l.ReadTimeout = limit(l.ReadTimeout, defaultReadTimeout, 0)
	l.WriteTimeout = limit(l.WriteTimeout, defaultWriteTimeout, 0)
	l.IdleTimeout = limit(l.IdleTimeout, defaultIdleTimeout, 0)
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
