//go:build !cgionly

package main

import "example.com/gateway/serve"

// run serves the guestbook in the way for which the process was started.
var run = serve.Run
