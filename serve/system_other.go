//go:build !unix

package serve

import "os"

// maxPath is how many bytes the path of a Unix socket has at most, on Windows.
const maxPath = 107

// hangUp is nil: there is no such signal. When its console is closed, a process of Windows gets
// SIGTERM.
var hangUp os.Signal

// isListening returns false: only under Unix does a process get a listening socket as a file.
func isListening(int) bool { return false }
