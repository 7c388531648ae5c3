package cgi

import (
	"os"
	"sync"
)

// A lazyStderr is the process's stderr, which the first Write opens.
type lazyStderr struct {
	once sync.Once
	file *os.File
	err  error
}

func (s *lazyStderr) Write(p []byte) (int, error) {
	s.once.Do(func() { s.file, s.err = openStderr() })
	if s.err != nil {
		return 0, s.err
	}
	return s.file.Write(p)
}
