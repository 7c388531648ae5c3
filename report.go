package gateway

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// note adds an error to those that Respond returns, and writes it to the server's Errors. It does
// not write an error that only says that the client has left. An entry is one line, then the stack
// of a panic, in one Write, so that entries of different requests do not mix.
func (r *response) note(err error) {
	if err == nil {
		return
	}
	r.faults = errors.Join(r.faults, err)
	if r.log == nil || r.isOfLeaving(err) {
		return
	}
	entry := "gateway: " + oneLine(r.method, 32) + " " + oneLine(r.script+r.path, 256) + ": " +
		oneLine(strings.TrimPrefix(err.Error(), "gateway: "), 4096) + "\n"
	if p, ok := err.(*panicError); ok {
		entry += string(p.stack)
	}
	defer func() { _ = recover() }() // R47: an application must not suffer from its log
	_, _ = r.log.Write([]byte(entry))
}

// isOfLeaving reports whether an error only says that the client has left. A panic never says that,
// nor does an error about the client of another response.
func (r *response) isOfLeaving(err error) bool {
	return errors.Is(guard(r.ctx.Cause()), ErrDisconnected) && !isPanic(err) &&
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
