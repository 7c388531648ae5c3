package scgi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway/request"
	"example.com/gateway/scgi"
)

// netstring returns variables as a host writes them.
func netstring(vars ...[2]string) string {
	var b strings.Builder
	for _, v := range vars {
		b.WriteString(v[0] + "\x00" + v[1] + "\x00")
	}
	return fmt.Sprintf("%d:%s,", b.Len(), b.String())
}

// read reads the variables of in, and returns them and the rest of in.
func read(in io.Reader, max int) (vars [][2]string, rest string, err error) {
	r := bufio.NewReader(in)
	err = scgi.ReadVars(r, max, func(name, value string) error {
		vars = append(vars, [2]string{name, value})
		return nil
	})
	b, _ := io.ReadAll(r)
	return vars, string(b), err
}

func TestWhatIsSCGI(t *testing.T) {
	t.Parallel()
	head := [][2]string{{"CONTENT_LENGTH", "27"}, {"SCGI", "1"}}
	for _, c := range []struct {
		name, in string
		want     [][2]string
		rest     string
	}{
		{"the example of the specification",
			"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00," +
				"What is the answer to life?",
			append(slices.Clone(head), [2]string{"REQUEST_METHOD", "POST"},
				[2]string{"REQUEST_URI", "/deepthought"}), "What is the answer to life?"},
		{"no body", netstring(head...), head, ""},
		{"SCGI last", netstring(head[0], [2]string{"A", "b"}, head[1]), [][2]string{head[0], {"A", "b"}, head[1]}, ""},
		{"empty values", netstring([2]string{"CONTENT_LENGTH", ""}, head[1], [2]string{"A", ""}),
			[][2]string{{"CONTENT_LENGTH", ""}, head[1], {"A", ""}}, ""},
		{"a name twice", netstring(head[0], head[1], [2]string{"HTTP_X", "1"}, [2]string{"HTTP_X", "2"}),
			[][2]string{head[0], head[1], {"HTTP_X", "1"}, {"HTTP_X", "2"}}, ""},
		{"any bytes but NUL", netstring(head[0], head[1], [2]string{"\xff,:\r", "\n\x01é"}),
			[][2]string{head[0], head[1], {"\xff,:\r", "\n\x01é"}}, ""},
		{"larger than a buffer", netstring(head[0], head[1], [2]string{"A", strings.Repeat("x", 100000)}),
			[][2]string{head[0], head[1], {"A", strings.Repeat("x", 100000)}}, ""},
	} {
		for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			if vars, rest, err := read(in, 1<<20); !slices.Equal(vars, c.want) || rest != c.rest || err != nil {
				t.Errorf("%s: %.200q, %q, %v", c.name, vars, rest, err)
			}
		}
	}
}

func TestWhatIsNotSCGI(t *testing.T) {
	t.Parallel()
	good := "CONTENT_LENGTH\x000\x00SCGI\x001\x00"
	for _, c := range []struct{ name, in, want string }{
		{"no digits", ":" + good + ",", "netstring"},
		{"a leading zero", fmt.Sprintf("0%d:%s,", len(good), good), "netstring"},
		{"zeros", "00:,", "netstring"},
		{"a negative length", "-24:" + good + ",", "netstring"},
		{"a sign", "+24:" + good + ",", "netstring"},
		{"a space", " 24:" + good + ",", "netstring"},
		{"a space before the colon", "24 :" + good + ",", "netstring"},
		{"in hexadecimal", "0x18:" + good + ",", "netstring"},
		{"31 bits and one", "2147483648:" + good, "netstring"},
		{"32 bits and one", "4294967297:" + good, "netstring"},
		{"64 bits and one", "18446744073709551617:" + good, "netstring"},
		{"digits without an end", strings.Repeat("1", 1000), "netstring"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "netstring"},
		{"FastCGI", "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", "netstring"},
		{"no comma", fmt.Sprintf("%d:%s.", len(good), good), "netstring"},
		{"one byte more than is said", fmt.Sprintf("%d:%s,", len(good)-1, good), "netstring"},
		{"one byte less than is said", fmt.Sprintf("%d:%s,,", len(good)+1, good), "NUL"},
		{"empty", "0:,", "NUL"},
		{"no NUL at the end", fmt.Sprintf("%d:%s,", len(good)-1, good[:len(good)-1]), "NUL"},
		{"a name without a value", fmt.Sprintf("%d:%sA\x00,", len(good)+2, good), "NUL"},
		{"one NUL", "1:\x00,", "NUL"},
		{"two NULs", "2:\x00\x00,", "without a name"},
		{"an empty name", netstring([2]string{"CONTENT_LENGTH", "0"}, [2]string{"SCGI", "1"},
			[2]string{"", "x"}), "without a name"},
		{"an empty name first", netstring([2]string{"", ""}), "without a name"},
		{"a NUL in a value", netstring([2]string{"CONTENT_LENGTH", "0"}, [2]string{"SCGI", "1"},
			[2]string{"A", "b\x00c"}), "NUL"},
		{"CONTENT_LENGTH second", netstring([2]string{"SCGI", "1"}, [2]string{"CONTENT_LENGTH", "0"}), "not the first"},
		{"no CONTENT_LENGTH", netstring([2]string{"SCGI", "1"}), "not the first"},
		{"CONTENT_LENGTH in lower case", netstring([2]string{"content_length", "0"},
			[2]string{"SCGI", "1"}), "not the first"},
		{"no SCGI", netstring([2]string{"CONTENT_LENGTH", "0"}), "no SCGI"},
		{"another SCGI", netstring([2]string{"CONTENT_LENGTH", "0"}, [2]string{"SCGI", "2"}), "no SCGI"},
		{"an empty SCGI", netstring([2]string{"CONTENT_LENGTH", "0"}, [2]string{"SCGI", ""}), "no SCGI"},
	} {
		_, _, err := read(strings.NewReader(c.in), 1<<20)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "scgi: ") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestANetstringThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	in := netstring([2]string{"CONTENT_LENGTH", "0"}, [2]string{"SCGI", "1"}, [2]string{"A", strings.Repeat("x", 100)})
	if _, rest, err := read(strings.NewReader(in), 100); !errors.Is(err, request.ErrHeaderTooLarge) || len(rest) < 100 {
		t.Errorf("%v, %d bytes are left", err, len(rest))
	}
	if _, _, err := read(strings.NewReader(in), 128); err != nil {
		t.Error(err)
	}
	// 128 MiB, 1 GB, and the most that is a number here
	for _, in := range []string{"134217729:", "1000000000:", "1342177289:"} {
		if _, _, err := read(strings.NewReader(in), 1<<20); !errors.Is(err, request.ErrHeaderTooLarge) {
			t.Errorf("%s %v", in, err)
		}
	}
}

// A block of variables that is cut at any byte is no request.
func TestVariablesThatAreCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := netstring([2]string{"CONTENT_LENGTH", "5"}, [2]string{"SCGI", "1"}, [2]string{"HTTP_X", "y"})
	for n := range len(whole) {
		_, _, err := read(strings.NewReader(whole[:n]), 1<<20)
		if want := io.ErrUnexpectedEOF; n > 0 && err != want || n == 0 && err != io.EOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// Variables that were read and are written again give the same bytes.
func FuzzReadVars(f *testing.F) {
	f.Add("70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What")
	f.Add("24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,")
	f.Add("24:CONTENT_LENGTH\x000\x00SCGI\x001\x00")
	f.Add("0:,")
	f.Add("00:,")
	f.Add("99999999999999999999:")
	f.Add("2:\x00\x00,")
	f.Fuzz(func(t *testing.T, in string) {
		vars, rest, err := read(strings.NewReader(in), 1<<20)
		again, trickled, oerr := read(iotest.OneByteReader(strings.NewReader(in)), 1<<20)
		if fmt.Sprint(err) != fmt.Sprint(oerr) || !slices.Equal(vars, again) || trickled != rest {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", vars, err, again, oerr)
		}
		if err == nil && netstring(vars...)+rest != in {
			t.Errorf("%q is %q and %q", in, vars, rest)
		}
	})
}
