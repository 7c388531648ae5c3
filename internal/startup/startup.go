// Package startup holds the sentences with which serve.Run has said what the process serves, and
// why: for package doctor, whose page shows them. Package serve writes, once, before it accepts.
package startup

import "sync/atomic"

// A Way is one of the ways in which the process serves: mostly a socket.
type Way struct {
	Protocol string // "fcgi", "scgi", "uwsgi", "http" or "lambda"
	Sentence string // "serving fcgi on unix:/run/app.sock, since GATEWAY says so"
}

var ways atomic.Pointer[[]Way]

// Set replaces the ways. A process has one serve.Run at a time.
func Set(list []Way) { ways.Store(&list) }

// Ways returns the ways of the last Set, which nobody may change. They are none if the program does
// not use serve.Run, or runs for one request.
func Ways() []Way {
	if list := ways.Load(); list != nil {
		return *list
	}
	return nil
}
