//go:build !linux

package fcgi

const canReadBoth = false

func (b *reader) readBothFd(uintptr) bool { return true }
