//go:build !unix

package cgi

import "os"

// Without SIGPIPE there is nothing to avoid.
func openStdout() (*os.File, error) { return os.Stdout, nil }
func openStderr() (*os.File, error) { return os.Stderr, nil }
