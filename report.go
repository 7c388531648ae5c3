package gateway

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// note adds an error to those that Respond returns. It also writes the error to the server's
// Errors, unless the error only says what a client that left does to an application: one line, then
// the stack if there is one, in one Write, so that entries of different requests do not mix.
func (r *response) note(err error) {
	if err == nil {
		return
	}
	r.faults = errors.Join(r.faults, err)
	if r.log == nil || r.isOfLeaving(err) {
		return
	}
	path := r.env.Vars["SCRIPT_NAME"] + r.env.Vars["PATH_INFO"]
	entry := "gateway: " + oneLine(r.env.Vars["REQUEST_METHOD"], 32) + " " + oneLine(path, 256) + ": " +
		oneLine(strings.TrimPrefix(err.Error(), "gateway: "), 4096) + "\n"
	var p *panicError
	if errors.As(err, &p) {
		entry += string(p.stack)
	}
	defer func() { _ = recover() }() // R47: an application must not suffer from its log
	_, _ = r.log.Write([]byte(entry))
}

// isOfLeaving reports that an error only says that the client has left. A panic is never that, nor
// is an error about the client of another response.
func (r *response) isOfLeaving(err error) bool {
	return errors.Is(r.ctx.Cause(), ErrDisconnected) && !errors.As(err, new(*panicError)) &&
		(errors.Is(err, ErrDisconnected) || errors.Is(err, context.Canceled))
}

// oneLine returns at most max bytes of s, with control characters and bytes that are no text
// escaped as in a Go string. Paths and messages have bytes of the client, and a line break in them
// would forge a log entry.
func oneLine(s string, max int) string {
	if len(s) > max {
		s = s[:max] + "..."
	}
	quoted := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
