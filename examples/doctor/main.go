// What a web server really sends to an application, and which line of its configuration is missing.
//
//	go run ./examples/doctor                        # the page, on 127.0.0.1:8000
//	DOCTOR_TOKEN=... GATEWAY=fcgi:unix:/run/app.sock?mode=0660 go run ./examples/doctor
//	go run ./examples/doctor 'https://www.example.com/doctor?token=...'   # probes that page
//
// Without an argument it is the page, behind any web server. It answers clients on this machine,
// and with DOCTOR_TOKEN those who know the token. With a URL it probes the page that is there, and
// says which lines to change. The exit status is then 1 if there are any, and 2 if there is no
// page.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"example.com/gateway/doctor"
	"example.com/gateway/serve"
)

func main() {
	log.SetFlags(0)
	var p doctor.Prober
	flag.BoolVar(&p.Large, "large", false, "upload 100 MB as well")
	flag.DurationVar(
		&p.Load,
		"load",
		0,
		"send requests for as long: restart the application meanwhile",
	)
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: doctor [-large] [-load 10s] [URL]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		if err := serve.Run(doctor.Application(os.Getenv("DOCTOR_TOKEN"))); err != nil {
			log.Fatal(err)
		}
		return
	}
	p.Progress = func(v doctor.Verdict) { fmt.Println(v) }
	report, err := p.Probe(context.Background(), flag.Arg(0))
	if err != nil {
		log.Print(err)
		os.Exit(2)
	}
	fmt.Printf("\n%s", report)
	if len(report.Findings) > 0 {
		os.Exit(1)
	}
}
