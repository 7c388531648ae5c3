// Package sendfile is how Respond has a transport of this module send a file without a copy of its bytes in this process, where
// the transport writes to a socket as it is.
package sendfile

import "io"

// A Sender is a gateway.Transport that can.
type Sender interface {
	// CanSend reports whether src is an *os.File, and no type that has one in it: the Read of that may do something to the bytes.
	// Package os is not linked for the root's sake, hence the question.
	CanSend(src io.Reader) bool

	// SendFile is Write for all that src has, an *io.LimitedReader on a file. The head was sent. It returns how much was sent
	// and, if that is not all, an error, which wraps gateway.ErrDisconnected if the client is gone.
	SendFile(src io.Reader) (int64, error)
}
