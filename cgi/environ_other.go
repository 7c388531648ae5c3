//go:build !linux

package cgi

import "os"

// processEnviron returns the process's environment, with the first value of a variable that is
// there twice.
func processEnviron() []string { return os.Environ() }
