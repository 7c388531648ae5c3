// Package last is how Respond tells a transport of this module that nothing will follow a block, so that the block and the
// end of the response can leave in one write.
package last

// A Writer is a gateway.Transport that has a use for that.
type Writer interface {
	// WriteLast is Write for the last block of a response whose Close has nothing to do, so that Respond returns at once.
	// The transport may hold the block back until then.
	WriteLast(block []byte) (int, error)
}

// Known is called with a Writer where a start must be fast. Respond asks at run time whether a transport is one. When the compiler has
// seen one of that type become a Writer, that is a look-up; else the runtime puts the two together, one page fault after the other,
// which takes 1 percent of all that a CGI process needs.
//
//go:noinline
func Known(Writer) {}
