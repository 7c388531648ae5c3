// Streams under net/http/cgi: GET sends as many bytes as QUERY_STRING says, POST reads its body and
// says how many those were.
package main

import (
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"strconv"
)

func stream(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 64<<10)
	w.Header().Set("Content-Type", "text/plain")
	if r.Method == "POST" {
		total := 0
		for {
			n, err := r.Body.Read(block)
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				panic(err)
			}
		}
		io.WriteString(w, strconv.Itoa(total))
		return
	}
	left, err := strconv.Atoi(r.URL.RawQuery)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Length", strconv.Itoa(left))
	for left > 0 {
		n := min(left, len(block))
		if _, err := w.Write(block[:n]); err != nil {
			panic(err)
		}
		left -= n
	}
}

func main() {
	if err := cgi.Serve(http.HandlerFunc(stream)); err != nil {
		os.Exit(1)
	}
}
