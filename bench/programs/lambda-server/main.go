// A hello on AWS Lambda, as an application, buffered or, with the argument stream, streamed. For
// each line on stdin it prints the CPU time that it has used, in nanoseconds; it ends with stdin.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"syscall"

	"example.com/gateway"
	"example.com/gateway/lambda"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func hello(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return start.Answer(200, plain, gateway.Text("Hello World !\n"))
}

func main() {
	go func() {
		server := lambda.Server{Application: gateway.ApplicationFunc(hello),
			Stream: len(os.Args) > 1}
		log.Fatal(server.Serve())
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		fmt.Println(usage.Utime.Nano() + usage.Stime.Nano())
	}
}
