//go:build !linux

package cgi

import "os"

// processEnviron returns the process's environment. Of a variable that is there twice it has the first.
func processEnviron() []string { return os.Environ() }
