//go:build cgionly

package main

import "example.com/gateway/cgi"

// run serves one request. The program links no net, which takes time to load for every request.
// Measured from fork to exit, beside a Go program that prints a line: a page takes 1.8 times as
// long, most of it for html/template, and a photo 1.5 times. With serve.Run the page takes 2.7
// times as long, or 2.1 times if it is built with CGO_ENABLED=0.
var run = cgi.Run
