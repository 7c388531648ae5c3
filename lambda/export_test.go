package lambda

import (
	"net"
	"time"
)

// WithEnv has the server look into env, and not into the environment of the process.
func (s *Server) WithEnv(env map[string]string) *Server {
	s.env = func(name string) string { return env[name] }
	return s
}

// WithDial has the server connect by dial.
func (s *Server) WithDial(dial func() (net.Conn, error)) *Server {
	s.dial = func(string, string, time.Duration) (net.Conn, error) { return dial() }
	return s
}
