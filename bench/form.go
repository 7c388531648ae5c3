package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/form"
)

// A formCase is a part of a request that package form and the standard library read. Each function
// returns how many values it has found, or bytes.
type formCase struct {
	name      string
	want      int64
	ours      func() (int64, error)
	reference string
	theirs    func() (int64, error)
}

// Of the size that a browser's request has on a large site.
const (
	browserQuery = "q=caf%C3%A9+au+lait&hl=en&source=hp&ei=abcDEF123&iflsig=AB-cd_12&sclient=gws-wiz&page=2&sort=date"

	browserCookies = "__Host-session=V2FsZG8tVjJGc1pHOC1WMkZzWkc4; theme=dark; _ga=GA1.2.1234567890.1700000000; " +
		"_gid=GA1.2.987654321.1700000001; consent=yes+analytics; lang=en-GB; tz=Europe%2FBerlin; seen=1"

	boundary = "----WebKitFormBoundaryAbCdEfGh12345678"
)

// An uploaded is the body of a form with one file, of bytes like those of a compressed one.
func uploaded(size int64) io.Reader {
	return io.MultiReader(
		strings.NewReader("--"+boundary+"\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.zip\"\r\n"+
			"Content-Type: application/zip\r\n\r\n"),
		io.LimitReader(&repeated{noise}, size),
		strings.NewReader("\r\n--"+boundary+"--\r\n"))
}

// noise has bytes of each kind, and line ends among them.
var noise = func() []byte {
	b, r := make([]byte, 1<<20), rand.NewPCG(1, 2)
	for i := range b {
		b[i] = byte(r.Uint64())
	}
	return b
}()

// A repeated reader gives the same bytes again and again.
type repeated struct{ rest []byte }

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = noise
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// sink takes a map, as an application does: a map that nobody keeps costs less.
var sink any

func formCases(size int64) []formCase {
	env := &gateway.Environ{Vars: map[string]string{
		"REQUEST_METHOD": "POST", "QUERY_STRING": browserQuery, "HTTP_COOKIE": browserCookies,
		"CONTENT_TYPE": "multipart/form-data; boundary=" + boundary,
	}}
	request := &http.Request{Header: http.Header{"Cookie": {browserCookies}}}
	return []formCase{
		{"a query", 8, func() (int64, error) {
			values, err := form.Query(env)
			sink = values
			return int64(len(values)), err
		}, "net/url", func() (int64, error) {
			values, err := url.ParseQuery(browserQuery)
			sink = values
			return int64(len(values)), err
		}},
		{"cookies", 8, func() (n int64, err error) {
			for range form.Cookies(env) {
				n++
			}
			return n, nil
		}, "net/http", func() (int64, error) {
			return int64(len(request.Cookies())), nil
		}},
		{fmt.Sprintf("an upload of %d MiB", size>>20), size, func() (n int64, err error) {
			env.Input = uploaded(size)
			for part, err := range form.Parts(env, form.Limits{MaxBytes: 2*size + 1<<20}) {
				if err != nil {
					return n, err
				}
				k, err := io.Copy(io.Discard, part)
				if n += k; err != nil {
					return n, err
				}
			}
			return n, nil
		}, "mime/multipart", func() (n int64, err error) {
			for r := multipart.NewReader(uploaded(size), boundary); ; {
				part, err := r.NextPart()
				if errors.Is(err, io.EOF) {
					return n, nil
				}
				if err != nil {
					return n, err
				}
				k, err := io.Copy(io.Discard, part)
				if n += k; err != nil {
					return n, err
				}
			}
		}},
	}
}

// measureForm measures each case beside the standard library's, once in a round.
func measureForm(t *table, rounds int, size int64, benchtime string) error {
	if rounds == 0 {
		return nil
	}
	testing.Init()
	if err := flag.Set("test.benchtime", benchtime); err != nil {
		return err
	}
	for _, c := range formCases(size) {
		sides := []struct {
			name string
			f    func() (int64, error)
		}{{"package form", c.ours}, {c.reference, c.theirs}}
		times, results := make([][]time.Duration, 2), make([]testing.BenchmarkResult, 2)
		for range rounds {
			for _, i := range rand.Perm(2) {
				var failure error
				results[i] = testing.Benchmark(func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if n, err := sides[i].f(); n != c.want || err != nil {
							failure = fmt.Errorf("form, %s, %s: %d, want %d, %w", c.name, sides[i].name, n, c.want, err)
							b.FailNow()
						}
					}
				})
				if failure != nil {
					return failure
				}
				times[i] = append(times[i], results[i].T*1000/time.Duration(results[i].N))
			}
		}
		for i, side := range sides {
			t.add(row{
				what: "form, " + c.name, variant: side.name,
				time:   nanoseconds(median(times[i])),
				memory: allocations(float64(results[i].AllocsPerOp()), float64(results[i].AllocedBytesPerOp())),
				ratio:  ratioOf(times[i], times[0]).String(),
			})
		}
		t.atMost("form, "+c.name+", package form ÷ "+c.reference, ratioOf(times[0], times[1]).median, 1, "")
	}
	return nil
}
