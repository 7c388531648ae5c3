//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package serve

// lockFolder does nothing, since the system has no flock(2).
func lockFolder(string) (unlock func()) { return func() {} }
