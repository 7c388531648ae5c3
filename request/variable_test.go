package request_test

import (
	"net/textproto"
	"strings"
	"testing"

	"example.com/gateway/request"
)

// The two names of a header lead to each other, whether a table has them or not.
func TestVariablesAndHeadersAreInverse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Accept", "accept", "HOST", "X-Requested-With", "x-a", "A", "Www-Authenticate", "Sec-Ch-Ua", "X.y", "X--Y", "-", "X1-2a",
		"Content-Type", "content-length", "Upgrade-Insecure-Requests"} {
		variable := request.VariableOf(name)
		if want := textproto.CanonicalMIMEHeaderKey(name); request.HeaderOf(variable) != want {
			t.Errorf("%s is %s, which is %s, want %s", name, variable, request.HeaderOf(variable), want)
		}
		if variable != request.VariableOf(strings.ToUpper(name)) {
			t.Errorf("%s is %s, and in upper case %s", name, variable, request.VariableOf(strings.ToUpper(name)))
		}
	}
	for _, name := range []string{"", "Proxy", "proxy", "X_Y", "Content_Length", "a b", "a:", "Transfer-Encoding", "TRANSFER-encoding", "ä", "a\n"} {
		if variable := request.VariableOf(name); variable != "" {
			t.Errorf("%q is %s", name, variable)
		}
	}
	for _, variable := range []string{"", "HTTP_", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_x", "HTTP_X-Y", "HTTP_X Y", "REQUEST_METHOD",
		"HTTPS", "Accept"} {
		if name := request.HeaderOf(variable); name != "" {
			t.Errorf("%q is %s", variable, name)
		}
	}
}
