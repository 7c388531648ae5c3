package cgi

import (
	"os"
	"strings"
)

// processEnviron returns the process's environment.
//
// Under fcgiwrap a variable may be there twice: once for each line of a repeated header, as nginx
// before 1.23 sends them. os.Environ keeps the first, and would lose a cookie, or hide that there
// are two lengths (C28). So under fcgiwrap, which sets FCGI_ROLE, the environment is read as the
// process got it. Under other hosts that would make the start 3 percent slower.
func processEnviron() []string {
	if _, found := os.LookupEnv("FCGI_ROLE"); !found {
		return os.Environ()
	}
	block, err := os.ReadFile("/proc/self/environ")
	if err != nil || len(block) == 0 {
		return os.Environ()
	}
	return strings.Split(strings.TrimSuffix(string(block), "\x00"), "\x00")
}
