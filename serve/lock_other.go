//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package serve

// lockFolder does nothing where there is no flock.
func lockFolder(string) (unlock func()) { return func() {} }
