// Package sized is how the bodies of the root package say what they know of their blocks, and how the lint, which wraps a
// body of any kind, hands that on: without it a response under the lint would lose its Content-Length.
//
// The methods have types that only this module can name, so that no type of a user has them by chance: "except on the
// bodies of this package" (R26). Wrapping a body may hide what it knows: its length, and where it is to stop.
package sized

// A Size is what is known of a body before it is ranged; -1 is unknown.
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

// A Limit is a number of bytes.
type Limit int64

// A Limited body reads from something that may have more than the response is to take.
type Limited interface {
	Limit(Limit)
}

// Of returns what body knows.
func Of(body any) Size {
	if b, ok := body.(Body); ok {
		return b.Size()
	}
	return Unknown
}

// SetLimit sets the limit of a body that has one.
func SetLimit(body any, n Limit) {
	if b, ok := body.(Limited); ok {
		b.Limit(n)
	}
}
