// The floor for Go: a program that writes the response with package os and nothing else.
package main

import "os"

const response = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n"

func main() {
	if _, err := os.Stdout.WriteString(response); err != nil {
		os.Exit(1)
	}
}
