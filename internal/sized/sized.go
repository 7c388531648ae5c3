// Package sized lets Respond and the servers ask a body how much it has. The bodies of the root
// package know, and bodies of this module that wrap another body pass the question on. Without that
// a response would lose its Content-Length.
//
// The methods have types that only this module can name, so that no type of a user has such a
// method by chance: "except on the bodies of this package" (R26). A user's body that wraps one of
// them knows nothing.
package sized

// A Size is the number of blocks and bytes of a body, as far as it is known before the body is
// ranged; -1 is unknown.
type Size struct {
	Blocks int
	Bytes  int64
}

// Unknown is the Size of a body that says nothing.
var Unknown = Size{-1, -1}

// A Body knows its Size.
type Body interface {
	Size() Size
}

// A Limit is a number of bytes, or -1 for any.
type Limit int64

// A Limited body may keep to a limit, if it has more bytes than the response is to take. Limit
// reports whether it does.
type Limited interface {
	Limit(Limit) bool
}

// Of returns the Size that body knows, or Unknown.
func Of(body any) Size {
	if b, ok := body.(Body); ok {
		return b.Size()
	}
	return Unknown
}

// SetLimit sets the limit of a body, and reports whether the body keeps to it.
func SetLimit(body any, n Limit) bool {
	b, ok := body.(Limited)
	return ok && b.Limit(n)
}

// IsPlain reports whether body is a Text or a Bytes, whose Close has nothing to do. Any other body
// that knows its number of bytes reads from a reader, or wraps another body, and so is Limited.
func IsPlain(body any) bool {
	size := Of(body)
	_, isLimited := body.(Limited)
	return size.Blocks >= 0 && size.Bytes >= 0 && !isLimited
}
