package gatewaytest

import "fmt"

// abridged quotes text of any length for a message.
func abridged[T string | []byte](text T) string {
	const most = 200
	if len(text) > most {
		return fmt.Sprintf("%q and %d more bytes", text[:most], len(text)-most)
	}
	return fmt.Sprintf("%q", text)
}
