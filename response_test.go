package gateway_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
)

var fields = gateway.Headers{{"A", "1"}, {"Set-Cookie", "x"}, {"b", "2"}, {"set-cookie", "y"}, {"SET-COOKIE", "z"}}

func TestHeadersCompareNamesWithoutCase(t *testing.T) { // R71
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"a", "1"}, {"A", "1"}, {"B", "2"}, {"Set-Cookie", "x"}, {"sEt-cOOkie", "x"}, {"", ""}, {"C", ""}, {"Set_Cookie", ""},
	} {
		if got := fields.Get(c.name); got != c.want {
			t.Errorf("Get(%q) is %q, want %q", c.name, got, c.want)
		}
	}
	if got := slices.Collect(fields.Values("SET-Cookie")); !slices.Equal(got, []string{"x", "y", "z"}) {
		t.Errorf("Values: %q", got)
	}
	if got := slices.Collect(fields.Values("C")); len(got) != 0 {
		t.Errorf("Values of none: %q", got)
	}
	for got := range fields.Values("Set-Cookie") {
		if got != "x" {
			t.Errorf("the first value is %q", got)
		}
		break
	}
}

func TestHeadersWalkInOrder(t *testing.T) {
	t.Parallel()
	var got gateway.Headers
	for name, value := range fields.All() {
		got = append(got, [2]string{name, value})
	}
	if !slices.Equal(got, fields) {
		t.Errorf("All walked %q", got)
	}
	for name := range fields.All() {
		if name != "A" {
			t.Errorf("the first is %q", name)
		}
		break
	}
	if all := maps.Collect(gateway.Headers(nil).All()); len(all) != 0 {
		t.Errorf("a nil list has %q", all)
	}
}

func TestHeadersChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		got, want gateway.Headers
	}{
		{"With replaces in place, all of them", fields.With("set-Cookie", "n"),
			gateway.Headers{{"A", "1"}, {"set-Cookie", "n"}, {"b", "2"}}},
		{"With appends", fields.With("C", "3"), append(slices.Clone(fields), [2]string{"C", "3"})},
		{"With on nil", gateway.Headers(nil).With("C", "3"), gateway.Headers{{"C", "3"}}},
		{"Append", fields.Append("a", "3"), append(slices.Clone(fields), [2]string{"a", "3"})},
		{"Append on nil", gateway.Headers(nil).Append("C", "3"), gateway.Headers{{"C", "3"}}},
		{"Without", fields.Without("SET-cookie"), gateway.Headers{{"A", "1"}, {"b", "2"}}},
		{"Without what is not there", fields.Without("C"), fields},
		{"Without on nil", gateway.Headers(nil).Without("C"), gateway.Headers{}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

// No method writes to the array of its receiver either, not even behind its end, so that two
// responses can begin with one list.
func TestNoMethodOfHeadersChangesItsReceiver(t *testing.T) {
	t.Parallel()
	for _, spare := range []int{0, 1, 10} {
		list := append(make(gateway.Headers, 0, len(fields)+spare), fields...)
		before := slices.Clone(list[:cap(list)])
		results := []gateway.Headers{list.With("A", "9"), list.With("C", "9"), list.Append("C", "9"), list.Without("A"),
			list.Without("C"), list.Without("b")}
		kept := make([]gateway.Headers, len(results))
		for i, result := range results {
			kept[i] = slices.Clone(result)
		}
		for _, result := range results { // this must not reach the list or another result
			for i := range result[:cap(result)] {
				result[:cap(result)][i] = [2]string{"X", "x"}
			}
		}
		if !slices.Equal(list[:cap(list)], before) {
			t.Errorf("with %d to spare the list became %q", spare, list[:cap(list)])
		}
		for i, result := range kept {
			if slices.Contains(result, [2]string{"X", "x"}) {
				t.Errorf("result %d shares its memory with another", i)
			}
		}
	}
}

func TestHeaderNamesAndValues(t *testing.T) {
	t.Parallel()
	for _, field := range [][2]string{
		{"X", ""}, {"x-y_z", "1"}, {"!#$%&'*+-.^_`|~09azAZ", "all of a token's characters"},
		{"X", "a\tb"}, {"X", " a "}, {"X", "caf\xe9"}, {"X", "café"}, {"X", "\x80\xff"}, {"X", strings.Repeat("x", 1<<16)},
		{"Statuses", "1"}, {"X-Status", "1"}, {"Te-X", "1"}, {"Connections", "1"}, {"Upgrade-Insecure-Requests", "1"},
		{"Location", "/a b"}, {"Content-Type", "x"}, {"Set-Cookie", "a=b; c"}, {"Date", "today"}, {"Server", "me"},
		{"Content-Length", "0"}, {"Content-Length", "9223372036854775807"},
	} {
		if field[0] == "Content-Length" {
			field[1] = "1" // the length of startWith's body
		}
		if err := startWith(t, "200 OK", gateway.Headers{field}); err != nil {
			t.Errorf("%.80q is refused: %v", field, err)
		}
	}
	for _, field := range [][2]string{ // R68, R69
		{"", "a"}, {"X Y", "a"}, {" X", "a"}, {"X ", "a"}, {"X:", "a"}, {"X: a", ""}, {"X\r\nY", "a"}, {"X\n", "a"},
		{"X\x00", "a"}, {"X\x7f", "a"}, {"X\t", "a"}, {"Ü", "a"}, {"X\xff", "a"}, {"(X)", "a"}, {"X/Y", "a"}, {"X,Y", "a"},
		{"X\"", "a"}, {"X@", "a"},
		{"X[0]", "a"}, {"{X}", "a"}, {"X=Y", "a"}, {"X;Y", "a"}, {"X?", "a"}, {"X\\", "a"}, {"<X>", "a"},
		{"X", "a\r\nY: b"}, {"X", "a\nY: b"}, {"X", "a\rY: b"}, {"X", "a\r\n"}, {"X", "\n"}, {"X", "a\x00b"}, {"X", "a\x7f"},
		{"X", "a\x1b"}, {"X", "a\x0bb"}, {"X", "a\r\n b"}, {strings.Repeat("x ", 1<<16), "a"},
		{"X", strings.Repeat("x", 1<<16) + "\n"},
		{"Status", "200 OK"}, {"status", "200 OK"}, {"STATUS", ""}, // C46
	} {
		err := startWith(t, "200 OK", gateway.Headers{field})
		if !errors.Is(err, gateway.ErrHeader) {
			t.Errorf("%.80q: %v, want ErrHeader", field, err)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%.80q: an error of %d bytes", field, len(err.Error()))
		}
	}
}

// R72, R73, R91: the hop-by-hop headers of RFC 2616, 13.5.1, and those that RFC 9110, 7.6.1 adds.
// Only Proxy-Authenticate passes, the challenge of a 407, which says nothing of the connection.
func TestHopByHopHeadersAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Trailers",
		"Transfer-Encoding", "Upgrade",
	} {
		for _, name := range []string{name, strings.ToLower(name), strings.ToUpper(name), swapCase(name)} {
			for _, value := range []string{"", "close", "chunked"} {
				headers := gateway.Headers{{"A", "1"}, {name, value}}
				if err := startWith(t, "200 OK", headers); !errors.Is(err, gateway.ErrHeader) {
					t.Errorf("%s: %v, want ErrHeader", name, err)
				}
			}
		}
	}
	// Ordinary names of the same lengths.
	for _, name := range []string{
		"TX", "Statis", "Unknown", "Tracing", "Locatiom", "Trickles", "Connectiom", "Keep-alove", "Content-Tipe",
		"Content-Lenght", "Proxy-Konnection", "Transfer-Incoding", "Proxy-Authenticate", "Proxy-Authorisation",
	} {
		if err := startWith(t, "200 OK", gateway.Headers{{name, "a"}, {name, "b"}}); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 32
		case 'A' <= r && r <= 'Z':
			return r + 32
		}
		return r
	}, s)
}

func TestHeadersThatAreAllowedOnce(t *testing.T) { // C46
	t.Parallel()
	for _, c := range []struct {
		a, b [2]string
		want error
	}{
		{[2]string{"Content-Type", "a"}, [2]string{"content-type", "a"}, gateway.ErrHeader},
		{[2]string{"Location", "a"}, [2]string{"LOCATION", "b"}, gateway.ErrHeader},
		{[2]string{"Content-Length", "1"}, [2]string{"Content-Length", "2"}, gateway.ErrContentLength},
		{[2]string{"Content-Length", "1"}, [2]string{"content-length", "1"}, gateway.ErrContentLength}, // also if equal
		{[2]string{"Content-Type", "a"}, [2]string{"Location", "a"}, nil},
		{[2]string{"Set-Cookie", "a"}, [2]string{"Set-Cookie", "a"}, nil},
		{[2]string{"X", "a"}, [2]string{"x", "b"}, nil},
	} {
		headers := gateway.Headers{c.a, {"Between", "1"}, c.b}
		if err := startWith(t, "200 OK", headers); !matches(err, c.want) {
			t.Errorf("%q: %v, want %v", headers, err, c.want)
		}
	}
}

// notLengths are not lengths (C10), but some parsers of numbers accept them.
var notLengths = []string{
	"-1", "+5", " 5", "5 ", "\t5", "0x10", "5, 5", "5,5", "5.0", "5e0", "1_000", "0b1", "five", "５", "-", "-0", "5\x00",
	strings.Repeat("9", 30), "9223372036854775808", "18446744073709551617",
}

func TestAContentLengthThatIsNoLength(t *testing.T) {
	t.Parallel()
	for _, value := range append(slices.Clone(notLengths), "") {
		err := startWith(t, "200 OK", gateway.Headers{{"content-LENGTH", value}})
		if !errors.Is(err, gateway.ErrContentLength) && !(hasControl(value) && errors.Is(err, gateway.ErrHeader)) {
			t.Errorf("%q: %v, want ErrContentLength", value, err)
		}
	}
}
