// An upload: the application reads the request's body, text by line and anything else by block, and
// answers with its size and SHA-256.
//
//	printf 'one\ntwo\n' | REQUEST_METHOD=POST CONTENT_LENGTH=8 CONTENT_TYPE=text/plain go run ./examples/upload
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func upload(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if env.Vars["REQUEST_METHOD"] != "POST" {
		_, err := start(gateway.Status(405), plain.Append("Allow", "POST"), nil)
		return gateway.Text("Send something with POST.\n"), err
	}
	sum := sha256.New()
	var size int64
	report := ""
	var err error
	if body := io.TeeReader(env.Input, sum); strings.HasPrefix(env.Header("Content-Type"), "text/") {
		var lines int
		lines, size, err = readLines(body)
		report = "lines: " + strconv.Itoa(lines) + "\n"
	} else {
		size, err = io.Copy(io.Discard, body) // Input ends by itself, where the body ends
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// The client has left in the middle. A proxy in between may still want an answer.
		_, err = start(gateway.Status(400), plain, err)
		return gateway.Text("The upload was cut short.\n"), err
	}
	if err != nil {
		return nil, err
	}
	report += "size: " + strconv.FormatInt(size, 10) + "\nsha256: " + hex.EncodeToString(sum.Sum(nil)) + "\n"
	_, err = start("200 OK", plain, nil)
	return gateway.Text(report), err
}

// readLines counts the lines and the bytes of r. A line of any length takes no more memory than the
// reader's buffer.
func readLines(r io.Reader) (lines int, size int64, err error) {
	in := bufio.NewReader(r)
	for inLine := false; ; {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		if !inLine && len(part) > 0 {
			lines++
		}
		inLine = err == bufio.ErrBufferFull
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return lines, size, nil
		default:
			return lines, size, err
		}
	}
}

func main() {
	if err := cgi.Run(gateway.ApplicationFunc(upload)); err != nil {
		os.Exit(1)
	}
}
