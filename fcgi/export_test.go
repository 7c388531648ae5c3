package fcgi

// SetMaxFile changes how much of a body is kept on disk, and returns what changes it back.
func SetMaxFile(n int64) (restore func()) {
	old := maxFile
	maxFile = n
	return func() { maxFile = old }
}
