package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.com/gateway"
)

// nullTransport drops the response: what is left is the engine.
type nullTransport struct{}

func (nullTransport) WriteHead(string, gateway.Headers) error { return nil }
func (nullTransport) Write(block []byte) (int, error)         { return len(block), nil }
func (nullTransport) Flush() error                            { return nil }
func (nullTransport) End(bool) error                          { return nil }

// A respondCase is an application that Respond runs.
type respondCase struct {
	name   string
	app    gateway.Application
	blocks int // of its response
}

// A difference is what one more of something costs: (more - less) / times.
type difference struct {
	name       string
	more, less string // names of cases
	times      float64
	perBlock   bool // it is the cost of a block
}

const oneBlock = "one block (Text)"

var (
	plain   = gateway.Headers{{"Content-Type", "text/plain"}}
	block   = []byte("block")
	hundred = slices.Repeat([][]byte{block}, 100)
)

var respondCases = []respondCase{
	{oneBlock, returns(func() gateway.Body { return gateway.Text("Hello World !\n") }), 1},
	{"one block (struct style)", gateway.ApplicationFunc(newInstance), 1},
	{"one block, Map over it", returns(func() gateway.Body { return gateway.Map(gateway.Text("Hello World !\n"), same) }), 1},
	{"one block, write()", writes(1), 1},
	{"stream of 1 block", returns(func() gateway.Body { return gateway.Stream(yields(1)) }), 1},
	{"stream of 100 blocks", returns(func() gateway.Body { return gateway.Stream(yields(100)) }), 100},
	{"stream of 1 block, Map over it", returns(func() gateway.Body { return gateway.Map(gateway.Stream(yields(1)), same) }), 1},
	{"stream of 100 blocks, Map over it", returns(func() gateway.Body { return gateway.Map(gateway.Stream(yields(100)), same) }), 100},
	{"20 blocks (Bytes)", returns(func() gateway.Body { return gateway.Bytes(hundred[:20]...) }), 20},
	{"100 blocks (Bytes)", returns(func() gateway.Body { return gateway.Bytes(hundred...) }), 100},
	{"100 blocks, write()", writes(100), 100},
}

// differences has the cost of what is in a response many times. A second start with a cause
// replaces the first, and does all that the first does but to grow the list.
var differences = []difference{
	{"each further block, stream", "stream of 100 blocks", "stream of 1 block", 99, true},
	{"each further block, Map", "stream of 100 blocks, Map over it", "stream of 1 block, Map over it", 99, true},
	{"each further block, Bytes", "100 blocks (Bytes)", "20 blocks (Bytes)", 80, true},
	{"each further block, write()", "100 blocks, write()", "one block, write()", 99, true},
	{"start: check, copy 1 header", "101 starts with 1 header", "1 start with 1 header", 100, false},
	{"start: check, copy 5 headers", "101 starts with 5 headers", "1 start with 5 headers", 100, false},
	{"start: check, copy 20 headers", "101 starts with 20 headers", "1 start with 20 headers", 100, false},
}

// startCases are measured for the differences only.
var startCases = []respondCase{
	{"1 start with 1 header", starts(1, 1), 1}, {"101 starts with 1 header", starts(101, 1), 1},
	{"1 start with 5 headers", starts(1, 5), 1}, {"101 starts with 5 headers", starts(101, 5), 1},
	{"1 start with 20 headers", starts(1, 20), 1}, {"101 starts with 20 headers", starts(101, 20), 1},
}

func returns(body func() gateway.Body) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return body(), err
	})
}

// An instance is a body and knows its request, as PEP 3333's AppClass: it starts as late as its
// first block.
type instance struct {
	env   *gateway.Environ
	start gateway.StartResponse
}

func newInstance(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return &instance{env, start}, nil
}

func (i *instance) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		_, err := i.start("200 OK", plain, nil)
		yield(block, err)
	}
}

func (i *instance) Close() error { return nil }

func same(block []byte) []byte { return block }

func yields(n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for range n {
			if !yield(block, nil) {
				return
			}
		}
	}
}

func writes(n int) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		for range n {
			if _, err := w.Write(block); err != nil {
				return nil, err
			}
		}
		return gateway.Bytes(), err
	})
}

// errReplaced stands for what an error handler passes to its second start.
var errReplaced = errors.New("replaced")

// starts calls start n times with so many headers.
func starts(n, headers int) gateway.Application {
	list := responseHeaders[:headers]
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		for range n {
			if _, err := start("200 OK", list, errReplaced); err != nil {
				return nil, err
			}
		}
		return gateway.Text("Hello World !\n"), nil
	})
}

// responseHeaders are what one sees in the wild.
var responseHeaders = gateway.Headers{
	{"Content-Type", "text/html; charset=utf-8"},
	{"Cache-Control", "no-cache, no-store, must-revalidate"},
	{"ETag", `"33a64df551425fcc55e4d42a148795d9f25f89d4"`},
	{"Set-Cookie", "session=0123456789abcdef0123456789abcdef; Path=/; Secure; HttpOnly; SameSite=Lax"},
	{"Vary", "Accept-Encoding, Cookie"},
	{"Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"},
	{"Expires", "Thu, 01 Jan 1970 00:00:00 GMT"},
	{"Content-Language", "en"},
	{"Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"},
	{"Content-Security-Policy", "default-src 'self'; img-src 'self' data:; script-src 'self'; frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "strict-origin-when-cross-origin"},
	{"Permissions-Policy", "camera=(), microphone=(), geolocation=()"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Access-Control-Allow-Origin", "https://www.example.com"},
	{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
	{"Link", "</style.css>; rel=preload; as=style"},
	{"X-Request-Id", "7b8a1f0c-5c0e-4a86-9d5d-0f8a2d5f6f3e"},
}

// run is the benchmark of a case.
func (c *respondCase) run(b *testing.B) {
	env := &gateway.Environ{
		Vars:   map[string]string{"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/"},
		Errors: io.Discard,
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := gateway.Respond(c.app, env, nullTransport{}); err != nil {
			b.Fatal(err)
		}
	}
}

// A respondResult has the time of a call in each round, and its allocations, which are the same in all.
type respondResult struct {
	times         []time.Duration // in picoseconds, since a difference may be below one
	allocs, bytes float64
}

// measureRespond runs every case in each round, for a time in the syntax of go test -benchtime.
func measureRespond(t *table, rounds int, benchtime string) error {
	if rounds == 0 {
		return nil
	}
	testing.Init()
	if err := flag.Set("test.benchtime", benchtime); err != nil {
		return err
	}
	cases := append(respondCases[:len(respondCases):len(respondCases)], startCases...)
	results := make(map[string]*respondResult)
	for range rounds {
		for _, i := range rand.Perm(len(cases)) {
			c := &cases[i]
			b := testing.Benchmark(c.run)
			if b.N == 0 {
				return fmt.Errorf("Respond, %s: failed", c.name)
			}
			r := results[c.name]
			if r == nil {
				r = new(respondResult)
				results[c.name] = r
			}
			r.times = append(r.times, b.T*1000/time.Duration(b.N))
			r.allocs, r.bytes = float64(b.MemAllocs)/float64(b.N), float64(b.MemBytes)/float64(b.N)
		}
	}

	base := results[oneBlock]
	for _, c := range respondCases {
		r := results[c.name]
		t.add(row{
			what: "Respond", variant: c.name,
			time: nanoseconds(median(r.times)), memory: allocations(r.allocs, r.bytes),
			ratio: ratioOf(r.times, base.times).String(),
		})
	}
	t.atMost("Respond, one block", float64(median(base.times))/1000, 300, "ns")
	t.atMost("Respond, one block", hundredths(base.allocs), 5, "allocations")
	for _, d := range differences {
		more, less := results[d.more], results[d.less]
		times := make([]time.Duration, len(more.times))
		for i := range times {
			times[i] = time.Duration(float64(more.times[i]-less.times[i]) / d.times)
		}
		// What the runtime and package testing allocate meanwhile is in neither by right: far less
		// than a hundredth.
		allocs, bytes := hundredths((more.allocs-less.allocs)/d.times), hundredths((more.bytes-less.bytes)/d.times)
		t.add(row{
			what: "Respond", variant: d.name,
			time: nanoseconds(median(times)), memory: allocations(allocs, bytes),
		})
		if d.perBlock {
			t.atMost("Respond, "+d.name, allocs, 0, "allocations")
		}
	}
	return nil
}

// hundredths rounds, also a -0.001 to 0.
func hundredths(x float64) float64 { return math.Round(x*100)/100 + 0 }

func nanoseconds(picoseconds time.Duration) string {
	return fmt.Sprintf("%.1f ns", float64(picoseconds)/1000)
}

func allocations(n, bytes float64) string {
	return fmt.Sprintf("%.0f allocs, %.0f B", n, bytes)
}
