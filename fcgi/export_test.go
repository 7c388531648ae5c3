package fcgi

import (
	"errors"
	"os"
)

// SetMaxFile changes how much of a body is kept on disk, and returns what changes it back.
func SetMaxFile(n int64) (restore func()) {
	old := maxFile
	maxFile = n
	return func() { maxFile = old }
}

// SetFileSpace makes the disk full when a body's file has n bytes, and returns what undoes that.
func SetFileSpace(n int64) (restore func()) {
	old := writeAt
	writeAt = func(f *os.File, p []byte, at int64) (int, error) {
		if room := max(0, n-at); room < int64(len(p)) {
			m, err := f.WriteAt(p[:room], at)
			return m, errors.Join(err, errors.New("no space left on device"))
		}
		return f.WriteAt(p, at)
	}
	return func() { writeAt = old }
}
