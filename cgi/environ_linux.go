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
	now := os.Environ()
	if _, found := os.LookupEnv("FCGI_ROLE"); !found {
		return now
	}
	block, err := os.ReadFile("/proc/self/environ")
	if err != nil || len(block) == 0 {
		return now
	}
	return withRepeats(now, strings.Split(strings.TrimSuffix(string(block), "\x00"), "\x00"))
}

// withRepeats returns the environment now, and of each variable in it all the values that it had
// when the process started. A variable that the program has changed since, by os.Setenv, has its new
// value alone.
func withRepeats(now, atStart []string) []string {
	firsts := make(map[string]string, len(atStart)) // the entries that os.Environ has of these
	for _, entry := range atStart {
		name, _, _ := strings.Cut(entry, "=")
		if _, found := firsts[name]; !found {
			firsts[name] = entry
		}
	}
	list := make([]string, 0, len(atStart))
	isUnchanged := make(map[string]bool, len(now))
	for _, entry := range now {
		name, _, _ := strings.Cut(entry, "=")
		if isUnchanged[name] = firsts[name] == entry; !isUnchanged[name] {
			list = append(list, entry)
		}
	}
	for _, entry := range atStart {
		if name, _, _ := strings.Cut(entry, "="); isUnchanged[name] {
			list = append(list, entry)
		}
	}
	return list
}
