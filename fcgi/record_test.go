package fcgi

import (
	"bytes"
	"errors"
	"testing"

	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/request"
)

func TestRecordBytes(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want string
	}{
		{"END_REQUEST", string(appendEnd(nil, 0x0203, fastcgi.Overloaded)),
			"\x01\x03\x02\x03\x00\x08\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00"},
		{"STDERR", string(appendErrors([]byte("x"), 5, []byte("abc"))),
			"x\x01\x07\x00\x05\x00\x03\x08\x00abc\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"no STDERR", string(appendErrors(nil, 5, nil)), ""},
		{"the sign of a broken response", string(appendBreak([]byte("x"))),
			"x\x01\x0a\x00\x00\x00\x00\x00\x00"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

// No record of STDERR has more than HAProxy 2.6 survives: what is longer becomes several.
func TestStreamsAreCutIntoRecords(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, 4097, 65536, 200_000} {
		content := bytes.Repeat([]byte("x"), n)
		var got []byte
		for b := appendErrors(nil, 9, content); len(b) > 0; {
			h, err := fastcgi.ParseHeader(b)
			size := fastcgi.HeaderSize + h.Length + h.Padding
			if err != nil || h.Kind != fastcgi.Stderr || h.ID != 9 || h.Length == 0 ||
				h.Length > 4096 ||
				h.Padding != 8 || len(b) < size {
				t.Fatalf("%d bytes: record %+v, %v", n, h, err)
			}
			got = append(got, b[fastcgi.HeaderSize:fastcgi.HeaderSize+h.Length]...)
			b = b[size:]
		}
		if !bytes.Equal(got, content) {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}

// Pairs are counted only if all of them are whole and have a name.
func FuzzCountPairs(f *testing.F) {
	f.Add("\x01\x02Abc")
	f.Add("\x00\x01a")
	f.Add("\x80")
	f.Fuzz(func(t *testing.T, in string) {
		count, err := countPairs(in, 10)
		switch {
		case err == nil:
			var again []byte
			for rest, i := in, 0; rest != ""; i++ {
				n, v, r, err := fastcgi.NextPair(rest)
				if err != nil || n == "" || i >= count {
					t.Fatalf("%q has %d pairs, but the one at %d is %q, %v", in, count, i, n, err)
				}
				again, rest = fastcgi.AppendPair(again, n, v), r
			}
			if len(again) > len(in) { // lengths may have been written longer than need be
				t.Fatalf("%q became %q", in, again)
			}
		case !errors.Is(err, fastcgi.ErrPairs) && !errors.Is(err, request.ErrHeaderTooLarge):
			t.Fatalf("%q: %v", in, err)
		}
	})
}
