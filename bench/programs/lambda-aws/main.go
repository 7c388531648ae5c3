// A hello on AWS Lambda by aws-lambda-go with its adapter for function URLs, which streams. For
// each
// line on stdin it prints the CPU time that it has used, in nanoseconds; it ends with stdin.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"syscall"

	"github.com/aws/aws-lambda-go/lambdaurl"
)

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "Hello World !\n")
}

func main() {
	go lambdaurl.Start(http.HandlerFunc(hello))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		fmt.Println(usage.Utime.Nano() + usage.Stime.Nano())
	}
}
