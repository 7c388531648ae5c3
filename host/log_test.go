package host

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
)

func TestWhatAProgramLogs(t *testing.T) {
	long := strings.Repeat("x", 2*maxLine)
	for _, test := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"in pieces", []string{"a", "b\nc", "", "\n"}, []string{"ab", "c"}},
		{"CR LF and empty lines", []string{"a\r\n\r\n\n b \n"}, []string{"a", " b"}},
		{"no end", []string{"a\nb"}, []string{"a", "b"}},
		{"control characters", []string{"a\x1b[31m\x00\tb\x7f\n"},
			[]string{`a\x1b[31m\x00` + "\t" + `b\x7f`}},
		{"bytes that are no text", []string{"\xe9\xff\n"}, []string{`\xe9\xff`}},
		{"a long line", []string{long, long + "\nb\n"}, []string{long[:maxLine], "b"}},
	} {
		app := program(func(p *process) error {
			for _, piece := range test.pieces {
				io.WriteString(p.log, piece)
			}
			return p.print("A: b\n\nhello")
		}).app(t, Options{}, true)
		r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
		want := ""
		for _, line := range test.want {
			want += "program x: " + line + "\n"
		}
		if r.Errors != want || r.Err != nil {
			t.Errorf("%s: %.300q, want %.300q (%v)", test.name, r.Errors, want, r.Err)
		}
	}
}

func TestAProgramThatFloodsItsLog(t *testing.T) {
	app := program(func(p *process) error {
		for i := range 100_000 {
			fmt.Fprintf(p.log, "line %d\n", i)
		}
		p.print("A: b\n\nhello")
		for i := range 100_000 {
			fmt.Fprintf(p.log, "line %d\n", i)
		}
		return nil
	}).app(t, Options{}, true)
	r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
	if r.Body() != "hello" || len(r.Errors) > 4*maxLog ||
		!strings.HasPrefix(r.Errors, "program x: line 0\n") ||
		strings.Count(r.Errors, "more than the log takes") != 1 {
		t.Errorf("%q, and %d bytes that end in %q", r.Body(), len(r.Errors),
			r.Errors[max(0, len(r.Errors)-100):])
	}
}
