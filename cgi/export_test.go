package cgi

import "time"

// SetDrain changes how much of an unread body Run reads. A child process calls it before Run.
func SetDrain(bytes int64, limit time.Duration) { drainBytes, drainTime = bytes, limit }
