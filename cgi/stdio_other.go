//go:build !unix

package cgi

import "os"

// There is no SIGPIPE here, and a broken pipe is an error of Write.
func openStdout() (*os.File, error) { return os.Stdout, nil }
func openStderr() (*os.File, error) { return os.Stderr, nil }
