//go:build !linux

package host

import (
	"net"
	"testing"
)

// Elsewhere such a socket refuses connections.
func listenWithoutQueue(t *testing.T, _ string) func(func(net.Conn, int)) {
	t.Skip("the queue of a socket is another matter here")
	return nil
}
