//go:build !unix

package serve

// isListening reports whether a file is a socket that listens. Only Unix hands sockets on as stdin.
func isListening(int) bool { return false }
