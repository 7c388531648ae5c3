// Package errno knows the numbers by which each system says what has become of a connection.
// Windows has numbers of its own: what package syscall calls ECONNRESET, ECONNREFUSED, EPIPE,
// EADDRINUSE or EIO there is invented, and no call ever returns it.
package errno

import "errors"

// IsReset reports whether err says that the peer has reset the connection: bytes may be lost on the
// way in both directions.
func IsReset(err error) bool { return isAny(err, reset) }

// IsHangUp reports whether err says that the other end of a socket or a pipe is closed: IsReset is
// true, or nobody reads what is written.
func IsHangUp(err error) bool { return isAny(err, reset) || isAny(err, broken) }

// IsRefused reports whether err says that nobody listens on the socket that was dialled.
func IsRefused(err error) bool { return isAny(err, refused) }

// IsInUse reports whether err says that another socket has the address already.
func IsInUse(err error) bool { return isAny(err, inUse) }

// IsFull reports whether err says that a Unix socket has no room for another connection that is to
// be accepted.
func IsFull(err error) bool { return isAny(err, full) }

// IsDenied reports whether err says that the process lacks a permission.
func IsDenied(err error) bool { return isAny(err, denied) }

// IsIO reports whether err says that a device, such as a disk, could not be read.
func IsIO(err error) bool { return isAny(err, device) }

func isAny(err error, list []error) bool {
	for _, target := range list {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
