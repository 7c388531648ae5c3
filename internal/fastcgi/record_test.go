package fastcgi

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

// The bytes are those of the FastCGI 1.0 specification, 3.3: version, type, request id, content
// length, padding length, reserved.
func TestHeaderBytes(t *testing.T) {
	for _, test := range []struct {
		bytes string
		want  Header
	}{
		{"\x01\x01\x00\x01\x00\x08\x00\x00", Header{BeginRequest, 1, 8, 0}},
		{"\x01\x02\x01\x02\x00\x00\x00\x00", Header{AbortRequest, 0x0102, 0, 0}},
		{"\x01\x04\xFF\xFF\xFF\xFF\xFF\xFF", Header{Params, 65535, 65535, 255}},
		{"\x01\xFF\x00\x00\x12\x34\x07\x99", Header{255, 0, 0x1234, 7}},
	} {
		if got, err := ParseHeader([]byte(test.bytes)); got != test.want || err != nil {
			t.Errorf("ParseHeader(%q) = %+v, %v, want %+v", test.bytes, got, err, test.want)
		}
	}
	for _, version := range []byte{0, 2, 255} {
		if _, err := ParseHeader([]byte{version, 1, 0, 1, 0, 8, 0, 0}); !errors.Is(err,
			ErrVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestRecordBytes(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want string
	}{
		{"STDOUT header", string(AppendHeader(nil, Stdout, 0x0203, 0x0405)),
			"\x01\x06\x02\x03\x04\x05\x00\x00"},
		{"longest content", string(AppendHeader(nil, Stdout, 1, MaxContent)),
			"\x01\x06\x00\x01\xff\xff\x00\x00"},
		{"a stream", string(AppendStream([]byte("x"), Stdout, 5, []byte("abc"))),
			"x\x01\x06\x00\x05\x00\x03\x00\x00abc"},
		{"nothing of a stream", string(AppendStream(nil, Stdout, 5, nil)), ""},
		{"short pair", string(AppendPair(nil, "A", "bc")), "\x01\x02Abc"},
		{"empty pair", string(AppendPair(nil, "", "")), "\x00\x00"},
		{"127", string(appendLength(nil, 127)), "\x7f"},
		{"128", string(appendLength(nil, 128)), "\x80\x00\x00\x80"},
		{"longest", string(appendLength(nil, math.MaxInt32)), "\xff\xff\xff\xff"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

// No record has more than its 16 bits of length can say: what is longer becomes several.
func TestAStreamIsCutIntoRecords(t *testing.T) {
	for _, n := range []int{1, MaxChunk - 1, MaxChunk, MaxChunk + 1, MaxContent, MaxContent + 1,
		3*MaxChunk + 5} {
		content := bytes.Repeat([]byte("x"), n)
		var got []byte
		for b := AppendStream(nil, Stdout, 9, content); len(b) > 0; {
			h, err := ParseHeader(b)
			if err != nil || h.Kind != Stdout || h.ID != 9 || h.Length == 0 ||
				h.Length > MaxChunk ||
				h.Padding != 0 || len(b) < HeaderSize+h.Length {
				t.Fatalf("%d bytes: record %+v, %v", n, h, err)
			}
			got = append(got, b[HeaderSize:HeaderSize+h.Length]...)
			b = b[HeaderSize+h.Length:]
		}
		if !bytes.Equal(got, content) {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}

// Section 3.4. The sums of lengths that overflow 32 bits are golang/go#81293, a panic in
// net/http/fcgi.
func TestPairs(t *testing.T) {
	long := strings.Repeat("v", 128)
	for _, test := range []struct {
		in, name, value, rest string
		bad                   bool
	}{
		{in: "\x01\x02Abcrest", name: "A", value: "bc", rest: "rest"},
		{in: "\x00\x00"},
		{in: "\x80\x00\x00\x01\x80\x00\x00\x02Abc", name: "A", value: "bc"},
		// longer than need be, but right
		{in: "\x01\x80\x00\x00\x80A" + long, name: "A", value: long},
		{in: "", bad: true},
		{in: "\x01", bad: true},
		{in: "\x01\x02Ab", bad: true},
		{in: "\x02\x00A", bad: true},
		{in: "\x80", bad: true},
		{in: "\x80\x00\x00", bad: true},
		{in: "\x80\x00\x00\x01", bad: true},
		{in: "\x01\x80\x00\x00A", bad: true},
		{in: "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFAbc", bad: true},
		{in: "\x80\x00\x00\x01\xFF\xFF\xFF\xFFAbc", bad: true},
		{in: "\xFF\xFF\xFF\xFF\x80\x00\x00\x01Abc", bad: true},
		{in: "\xFF\xFF\xFF\xFF\x80\x00\x00\x03Abc", bad: true}, // the sum is 2 in 32 bits
	} {
		name, value, rest, err := NextPair(test.in)
		if (err != nil) != test.bad || name != test.name || value != test.value || !test.bad &&
			rest != test.rest {
			t.Errorf("NextPair(%q) = %q, %q, %q, %v", test.in, name, value, rest, err)
		}
	}
}

// Names and values survive, whatever is in them, and every cut is noticed.
func FuzzPairs(f *testing.F) {
	f.Add("REQUEST_METHOD", "GET", "\x80")
	f.Add("", strings.Repeat("x", 200), "")
	f.Add(strings.Repeat("n", 127), strings.Repeat("x", 128), "\x01\x01ab")
	f.Fuzz(func(t *testing.T, name, value, junk string) {
		whole := string(AppendPair(nil, name, value))
		n, v, rest, err := NextPair(whole + junk)
		if n != name || v != value || rest != junk || err != nil {
			t.Fatalf("%q, %q became %q, %q, %q, %v", name, value, n, v, rest, err)
		}
		for i := range len(whole) {
			if _, _, _, err := NextPair(whole[:i]); err == nil {
				t.Fatalf("%q cut at %d is a pair", whole, i)
			}
		}
	})
}

// A Header is read as it is written.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x01\x00\x08\x00\x00"))
	f.Add([]byte("\x01\x06\xff\xff\xff\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderSize {
			return
		}
		h, err := ParseHeader(b)
		if err != nil {
			if b[0] == Version {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		again := AppendHeader(nil, h.Kind, h.ID, h.Length)
		if !bytes.Equal(again[:6], b[:6]) || h.Padding != int(b[6]) {
			t.Fatalf("%q became %q, padding %d", b, again, h.Padding)
		}
	})
}
