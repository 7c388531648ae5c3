package serve

import (
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// NewHTTP is the HTTP server of Run, with this limit of connections and these timeouts for the next bytes; 0 is what Run has.
func NewHTTP(app gateway.Application, conns int, timeout time.Duration) server {
	s := newHTTP(app)
	if conns > 0 {
		s.slots = make(chan struct{}, conns)
	}
	if timeout > 0 {
		s.readTimeout, s.writeTimeout = timeout, timeout
	}
	return s
}

// What Run has.
const (
	MaxConns     = backend.DefaultMaxConns
	ReadTimeout  = backend.DefaultReadTimeout
	WriteTimeout = backend.DefaultWriteTimeout
)
