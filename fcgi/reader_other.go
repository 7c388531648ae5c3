//go:build !unix

package fcgi

const canTryRead = false

func (b *reader) readFd(uintptr) bool { return true }
