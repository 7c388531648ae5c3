// Streams under gateway/cgi: GET sends as many bytes as QUERY_STRING says, POST reads its body and
// says how many those were.
package main

import (
	"io"
	"os"
	"strconv"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func stream(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	block := make([]byte, 64<<10)
	if env.Vars["REQUEST_METHOD"] == "POST" {
		total := 0
		for {
			n, err := env.Input.Read(block)
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(strconv.Itoa(total)), err
	}
	left, err := strconv.Atoi(env.Vars["QUERY_STRING"])
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain.Append("Content-Length", strconv.Itoa(left)), nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for left > 0 {
			n := min(left, len(block))
			if !yield(block[:n], nil) {
				return
			}
			left -= n
		}
	}), err
}

func main() {
	if err := cgi.Run(gateway.ApplicationFunc(stream)); err != nil {
		os.Exit(1)
	}
}
