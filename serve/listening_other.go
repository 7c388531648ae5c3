//go:build !unix

package serve

// isListening returns false: only under Unix does a process get a listening socket as a file.
func isListening(int) bool { return false }
