//go:build unix && !linux

package nonblock

func writeMore(fd uintptr, p []byte) (int, error) { return write(fd, p) }
