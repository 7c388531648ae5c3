// Package last is how Respond tells a transport of this module that nothing will follow a block, so that the block and the
// end of the response can leave in one write.
package last

// A Writer is a gateway.Transport that has a use for that.
type Writer interface {
	// WriteLast is Write for the last block of a response whose Close has nothing to do, so that Respond returns at once.
	// The transport may hold the block back until then.
	WriteLast(block []byte) (int, error)
}
