package gatewaytest

import "fmt"

// abridged quotes text of any length for a message.
func abridged[T string | []byte](text T) string {
	if len(text) > 300 {
		return fmt.Sprintf("%q and %d more bytes", text[:300], len(text)-300)
	}
	return fmt.Sprintf("%q", text)
}
