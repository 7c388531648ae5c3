//go:build go1.27

package nethttp

import "net/http"

// limitHeaders bounds the number of header lines that net/http reads. Its default is 500.
func limitHeaders(s *http.Server, n int) { s.MaxHeaderValueCount = n }
