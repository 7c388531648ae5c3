package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	lambdaPeer   = "aws-lambda-go, function URL adapter"
	lambdaStream = "lambda, streamed"
	lambdaBuffer = "lambda, buffered"
	lambdaServe  = "serve.Run, buffered"
)

// A function is a program that serves events.
type function struct {
	name string
	argv []string
}

// buildFunctions builds the functions as one builds them for Lambda: without cgo. The first is what
// the others are compared with, and is built as its documentation says.
func buildFunctions(dir string) ([]function, error) {
	dir = filepath.Join(dir, "lambda")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	aws := filepath.Join(dir, "lambda-aws")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", aws, programs+"lambda-aws")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	server, err := goBuild(dir, programs+"lambda-server", false)
	if err != nil {
		return nil, err
	}
	run, err := goBuild(dir, programs+"lambda-serve", false)
	if err != nil {
		return nil, err
	}
	return []function{
		{lambdaPeer, []string{aws}},
		{lambdaStream, []string{server, "stream"}},
		{lambdaBuffer, []string{server}},
		{lambdaServe, []string{run}},
	}, nil
}

// measureLambda measures a hello on Lambda: a warm invocation, and the start of the process until
// the first response has come. perRound is the number of invocations in a round.
func measureLambda(t *table, dir string, rounds, perRound int) error {
	if rounds == 0 {
		return nil
	}
	list, err := buildFunctions(dir)
	if err != nil {
		return err
	}
	if err := measureWarm(t, list, rounds, perRound); err != nil {
		return err
	}
	return measureCold(t, list, rounds)
}

func measureWarm(t *table, list []function, rounds, perRound int) error {
	const what = "Lambda, a warm invocation"
	running := make([]*environmentOf, len(list))
	for i, f := range list {
		var err error
		if running[i], err = startFunction(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		defer running[i].stop()
	}
	walls, cpus := make([][]time.Duration, len(list)), make([][]time.Duration, len(list))
	for round := range 1 + rounds { // the first does not count
		for _, i := range rand.Perm(len(list)) {
			wall, cpu, err := running[i].round(perRound)
			if err != nil {
				return fmt.Errorf("%s: %w", list[i].name, err)
			}
			if round > 0 {
				walls[i], cpus[i] = append(walls[i], wall), append(cpus[i], cpu)
			}
		}
	}
	for i, f := range list {
		r := ratioOf(cpus[i], cpus[0])
		t.add(row{what: what, variant: f.name, time: microseconds(median(walls[i])),
			cpu: microseconds(median(cpus[i])), ratio: r.String()})
		if i > 0 {
			t.atMost(what+", CPU, "+f.name+" ÷ "+lambdaPeer, r.median, 1, "")
		}
	}
	return nil
}

func measureCold(t *table, list []function, rounds int) error {
	const what = "Lambda, from the start of the process to its first response"
	walls := make([][]time.Duration, len(list))
	for round := range warmUp + rounds {
		for _, i := range rand.Perm(len(list)) {
			begun := time.Now()
			e, err := startFunction(list[i])
			if err == nil {
				err = e.invoke()
			}
			took := time.Since(begun)
			if e != nil {
				e.stop()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", list[i].name, err)
			}
			if round >= warmUp {
				walls[i] = append(walls[i], took)
			}
		}
	}
	for i, f := range list {
		r := ratioOf(walls[i], walls[0])
		t.add(row{what: what, variant: f.name, time: milliseconds(median(walls[i])),
			p99:   milliseconds(percentile(walls[i], 99)),
			ratio: r.String()})
		if f.name == lambdaBuffer || f.name == lambdaStream {
			t.atMost(what+", "+f.name+" ÷ "+lambdaPeer, r.median, 0.9, "")
		}
	}
	return nil
}

// An environmentOf a function is its process, and the Runtime API that the process talks to.
type environmentOf struct {
	l      net.Listener
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	events chan struct{} // one for each invocation
	waits  chan struct{} // the process waits for an event
	bodies chan []byte   // what it has posted
	errs   chan error
}

func startFunction(f function) (*environmentOf, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environmentOf{l: l, events: make(chan struct{}, 1), waits: make(chan struct{}, 1),
		bodies: make(chan []byte, 1),
		errs:   make(chan error, 10)}
	go e.serve()
	e.cmd = exec.Command(f.argv[0], f.argv[1:]...)
	e.cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String()}
	if e.in, err = e.cmd.StdinPipe(); err != nil {
		return e, err
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return e, err
	}
	e.out = bufio.NewReader(out)
	return e, e.cmd.Start()
}

func (e *environmentOf) stop() {
	if e.cmd.Process != nil {
		_ = e.cmd.Process.Kill()
		_ = e.cmd.Wait()
	}
	e.l.Close()
}

// serve is the Runtime API, for one invocation at a time.
func (e *environmentOf) serve() {
	for id := 1; ; {
		conn, err := e.l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for br := bufio.NewReader(conn); ; {
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					e.errs <- err
					return
				}
				answer := "HTTP/1.1 202 Accepted\r\nContent-Type: " +
					"application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n"
				if r.Method == "GET" {
					e.waits <- struct{}{}
					<-e.events
					id++
					answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+
						"Lambda-Runtime-Aws-Request-Id: "+
						"8476a536-e9f4-11e8-9739-%012x\r\nLambda-Runtime-Deadline-Ms: %d\r\n"+
						"Lambda-Runtime-Invoked-Function-Arn: "+
						"arn:aws:lambda:eu-central-1:123456789012:function:hello\r\n"+
						"Lambda-Runtime-Trace-Id: "+
						"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n"+
						"Content-Length: %d\r\n\r\n%s", id, time.Now().Add(time.Minute).UnixMilli(),
						len(urlEvent), urlEvent)
				}
				if _, err := io.WriteString(conn, answer); err != nil {
					e.errs <- err
					return
				}
				if r.Method != "GET" {
					e.bodies <- body
				}
			}
		}()
	}
}

// invoke has the process handle an event, and checks its response.
func (e *environmentOf) invoke() error {
	timeout := time.After(20 * time.Second)
	select {
	case <-e.waits:
	case <-timeout:
		return fmt.Errorf("the process does not ask for an event")
	}
	e.events <- struct{}{}
	select {
	case body := <-e.bodies:
		if s := string(body); !strings.Contains(s, "Hello World !") || !strings.HasPrefix(s,
			`{"statusCode":200,"headers":{"Content-Type":"text/plain"`) {
			return fmt.Errorf("response %q", body)
		}
		return nil
	case err := <-e.errs:
		return err
	case <-timeout:
		return fmt.Errorf("no response")
	}
}

// cpu is what the process has used.
func (e *environmentOf) cpu() (time.Duration, error) {
	if _, err := io.WriteString(e.in, "\n"); err != nil {
		return 0, err
	}
	line, err := e.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Duration(n), err
}

// round returns what an invocation takes, and what it costs the process.
func (e *environmentOf) round(n int) (wall, cpu time.Duration, err error) {
	before, err := e.cpu()
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	for range n {
		if err := e.invoke(); err != nil {
			return 0, 0, err
		}
	}
	wall = time.Since(begun)
	after, err := e.cpu()
	return wall / time.Duration(n), (after - before) / time.Duration(n), err
}

// urlEvent is the event of a function URL for what a browser sends.
const urlEvent = `{"version":"2.0","routeKey":"$default","rawPath":"/hello/world","rawQueryString":"name=value",` +
	`"cookies":["session=0123456789abcdef0123456789abcdef","theme=dark"],` +
	`"headers":{"sec-fetch-mode":"navigate","x-amzn-tls-version":"TLSv1.3","accept-language":"en-US,en;q=0.5",` +
	`"x-forwarded-proto":"https","x-forwarded-port":"443","x-forwarded-for":"192.0.2.77","accept":"text/html,application/xhtml+xml,` +
	`application/xml;q=0.9,*/*;q=0.8","x-amzn-tls-cipher-suite":"TLS_AES_128_GCM_SHA256","x-amzn-trace-id":"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",` +
	`"host":"abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws","accept-encoding":"gzip, deflate, br, zstd",` +
	`"user-agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 ` +
	`Firefox/128.0"},"queryStringParameters":{"name":"value"},` +
	`"requestContext":{"accountId":"anonymous","apiId":"abcdefghijklmnopqrstuvwxyz012345",` +
	`"domainName":"abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws","domainPrefix":"abcdefghijklmnopqrstuvwxyz012345",` +
	`"http":{"method":"GET","path":"/hello/world","protocol":"HTTP/1.1","sourceIp":"192.0.2.77","userAgent":"Mozilla/5.0 (X11; Linux x86_64; ` +
	`rv:128.0) Gecko/20100101 ` +
	`Firefox/128.0"},"requestId":"e1506fd5-9e7b-434f-bd42-4f8fa224b599","routeKey":"$default","stage":"$default",` +
	`"time":"12/Mar/2026:19:03:58 +0000","timeEpoch":1773342238390},"isBase64Encoded":false}`
