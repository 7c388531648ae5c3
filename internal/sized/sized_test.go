package sized_test

import (
	"io"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/internal/sized"
)

func TestBodiesSayHowMuchTheyHave(t *testing.T) {
	t.Parallel()
	close := func() error { return nil }
	upper := func(block []byte) []byte { return block }
	stream := gateway.Stream(func(func([]byte, error) bool) {})
	for _, test := range []struct {
		name    string
		body    gateway.Body
		want    sized.Size
		isPlain bool
	}{
		{"Text", gateway.Text("hello"), sized.Size{Blocks: 1, Bytes: 5}, true},
		{"Bytes", gateway.Bytes([]byte("a"), []byte("bc")), sized.Size{Blocks: 2, Bytes: 3}, true},
		{"Stream", stream, sized.Unknown, false},
		{"Reader of text", gateway.Reader(strings.NewReader("hello"), 0), sized.Size{Blocks: -1, Bytes: 5}, false},
		{"Reader", gateway.Reader(io.MultiReader(), 0), sized.Unknown, false},
		{"Map", gateway.Map(gateway.Text("hello"), upper), sized.Size{Blocks: 1, Bytes: -1}, false},
		{"OnClose", gateway.OnClose(gateway.Text("hello"), close), sized.Size{Blocks: 1, Bytes: 5}, false},
		{"a body that embeds a Text", struct{ gateway.Body }{gateway.Text("hello")}, sized.Unknown, false},
	} {
		if got := sized.Of(test.body); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		if got := sized.IsPlain(test.body); got != test.isPlain {
			t.Errorf("%s: plain is %v, want %v", test.name, got, test.isPlain)
		}
	}
}

func TestALimitReachesTheReader(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]gateway.Body{
		"Reader":  gateway.Reader(strings.NewReader("hello"), 0),
		"OnClose": gateway.OnClose(gateway.Reader(strings.NewReader("hello"), 0), func() error { return nil }),
	} {
		sized.SetLimit(body, 3)
		var got string
		for block, err := range body.Blocks() {
			if err != nil {
				t.Error(err)
			}
			got += string(block)
		}
		if got != "hel" {
			t.Errorf("%s: %q", name, got)
		}
	}
	sized.SetLimit(gateway.Text("hello"), 3) // has none
}
