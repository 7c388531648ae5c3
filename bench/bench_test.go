package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
)

// The run checks every response: all variants answer with the same bytes, or nothing is compared.
func TestEveryVariantAnswersTheSame(t *testing.T) {
	list, err := buildHellos(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.missing != "" {
			t.Logf("%s: %s", p.name, p.missing)
		}
	}
	if n := len(environment("GET", "", "0")); n != 30 {
		t.Errorf("the environment has %d variables, want the 30 that the documentation says", n)
	}
	var table table
	if err := measureStart(&table, list, 2); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 7 || len(table.targets) != 2 {
		t.Errorf("%d rows, %d targets, want 7 and 2", len(table.rows), len(table.targets))
	}
}

func TestStreamsAreWhole(t *testing.T) {
	list, err := buildStreams(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var table table
	if err := measureStreams(&table, list, 1, 1<<20+1); err != nil {
		t.Fatal(err)
	}
	for _, target := range table.targets {
		if !target.met {
			t.Errorf("%s: %v, target %s", target.name, target.value, target.bound)
		}
	}
}

func TestAnotherResponseIsNoticed(t *testing.T) {
	for _, c := range []struct {
		response string
		same     bool
	}{
		{helloResponse, true},
		{strings.Replace(helloResponse, "Content-Type: text/plain\r\nContent-Length: 14", "Content-Length: 14\r\nContent-Type: text/plain", 1), true},
		{strings.Replace(helloResponse, "Status: 200 OK\r\nContent-Type: text/plain", "Content-Type: text/plain\r\nStatus: 200 OK", 1), false},
		{strings.Replace(helloResponse, "Content-Length: 14\r\n", "", 1), false},
		{strings.Replace(helloResponse, "14", "13", 1), false},
		{helloResponse + "!", false},
		{"", false},
	} {
		if same := sameResponse([]byte(c.response), []byte(helloResponse)); same != c.same {
			t.Errorf("sameResponse(%q) = %v, want %v", c.response, same, c.same)
		}
	}
}

func TestEveryRespondCaseSendsItsBlocks(t *testing.T) {
	for _, c := range append(respondCases[:len(respondCases):len(respondCases)], startCases...) {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET"}, Errors: &log}
			counter := new(counter)
			if err := gateway.Respond(c.app, env, counter); err != nil || log.Len() > 0 {
				t.Fatalf("%v, logged %q", err, &log)
			}
			if counter.heads != 1 || counter.blocks != c.blocks {
				t.Errorf("%d heads, %d blocks, want 1 and %d", counter.heads, counter.blocks, c.blocks)
			}
		})
	}
}

type counter struct{ heads, blocks int }

func (c *counter) WriteHead(string, gateway.Headers) error { c.heads++; return nil }
func (c *counter) Write(block []byte) (int, error)         { c.blocks++; return len(block), nil }
func (c *counter) Flush() error                            { return nil }
func (c *counter) End(bool) error                          { return nil }

func TestRespondIsMeasured(t *testing.T) {
	var table table
	if err := measureRespond(&table, 1, "10x"); err != nil {
		t.Fatal(err)
	}
	if want := len(respondCases) + len(differences); len(table.rows) != want {
		t.Errorf("%d rows, want %d", len(table.rows), want)
	}
}

func TestMissedTargetIsSaid(t *testing.T) {
	for _, c := range []struct {
		value  float64
		missed bool
	}{{1.10, false}, {1.11, true}} {
		var table table
		table.atMost("ratio", c.value, 1.10, "")
		var out strings.Builder
		if missed := table.print(&out); missed != c.missed || strings.Contains(out.String(), "NOT MET") != c.missed {
			t.Errorf("with %v: missed is %v and the text is %q", c.value, missed, &out)
		}
	}
	var table table
	table.below("memory that was not measured", 0, 20, "MB")
	if !table.print(io.Discard) {
		t.Error("a figure of 0 met its target")
	}
}

func TestStatistics(t *testing.T) {
	values := []time.Duration{5, 1, 4, 2, 3}
	if m := median(values); m != 3 {
		t.Errorf("median of 1 to 5 is %v", m)
	}
	if m := median(values[1:3]); m != 2 { // of 1 and 4, rounded down
		t.Errorf("median of 1 and 4 is %v", m)
	}
	if values[0] != 5 {
		t.Error("median has sorted the caller's values")
	}
	hundred := make([]time.Duration, 100)
	ones := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i], ones[i] = time.Duration(i+1), 1
	}
	if p := percentile(hundred, 99); p != 99 {
		t.Errorf("the 99th percentile of 1 to 100 is %v", p)
	}
	// For 100 values the 95 % interval of the median goes from the 41st to the 61st of them.
	if r := ratioOf(hundred, ones); r != (ratio{50.5, 41, 61}) {
		t.Errorf("ratioOf(1 to 100, 1) = %+v", r)
	}
}

func BenchmarkRespond(b *testing.B) {
	for _, c := range respondCases {
		b.Run(c.name, c.run)
	}
}
