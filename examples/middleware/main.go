// Middleware, PEP 3333's Latinator: it turns text into pig Latin. To the server it is an
// application, and to the application a server. So it changes all three parts of a response: the
// headers, the bytes of the writer, and the body.
//
//	go run ./examples/middleware
package main

import (
	"io"
	"os"
	"regexp"
	"strings"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

func latinator(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		transform := false // until start is called, which may be as late as the first block of the body
		body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			transform = strings.HasPrefix(headers.Get("Content-Type"), "text/plain")
			if !transform {
				return start(status, headers, cause)
			}
			w, err := start(status, headers.Without("Content-Length"), cause)
			return latinWriter{w}, err
		})
		if err != nil || body == nil {
			return body, err
		}
		return gateway.Map(body, func(block []byte) []byte { // one block for each block; Close is passed on
			if transform {
				return pigLatin(block)
			}
			return block
		}), nil
	})
}

type latinWriter struct{ w io.Writer }

func (l latinWriter) Write(p []byte) (int, error) {
	if _, err := l.w.Write(pigLatin(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

var word = regexp.MustCompile(`(?i)([b-df-hj-np-tv-z]*)([a-z]+)`)

// pigLatin gets one block at a time. It makes two words of a word that two blocks share: to wait
// for the end of the word would hold a block back, which middleware must not do (R94).
func pigLatin(block []byte) []byte {
	return word.ReplaceAllFunc(block, func(w []byte) []byte {
		part := word.FindSubmatch(w)
		return []byte(strings.ToLower(string(part[2]) + string(part[1]) + "ay"))
	})
}

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, "Hello through the writer !\n"); err != nil {
		return nil, err
	}
	return gateway.Text("Hello through the body !\n"), nil
}

func main() {
	if err := cgi.Run(latinator(gateway.ApplicationFunc(hello))); err != nil {
		os.Exit(1)
	}
}
