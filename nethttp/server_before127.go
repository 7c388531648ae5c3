//go:build !go1.27

package nethttp

import "net/http"

// limitHeaders does nothing: before Go 1.27 net/http has no limit for the number of header lines.
func limitHeaders(*http.Server, int) {}
