//go:build !unix

package fcgi

func (b *reader) readFd(uintptr) bool  { return true }
func (w *writer) writeFd(uintptr) bool { return true }
