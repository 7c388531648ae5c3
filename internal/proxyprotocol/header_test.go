package proxyprotocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 returns a header of version 2 with the lengths that they have.
func v2(command, family byte, block string) string {
	b := append([]byte(signature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return string(b) + block
}

const (
	block4 = "\xCB\x00\x71\x09\xC6\x33\x64\x01\x04\xD2\x01\xBB"
	block6 = "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" +
		"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x04\xD2\x01\xBB"
)

func show(p pair) string {
	if p == (pair{}) {
		return "itself"
	}
	return tcp(p.source).String() + " to " + tcp(p.destination).String()
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	const (
		to4 = "203.0.113.9:1234 to 198.51.100.1:443"
		to6 = "[2001:db8::9]:1234 to [2001:db8::1]:443"
	)
	unixBlock := "/run/client.sock" + strings.Repeat("\x00", 200)
	long := strings.Repeat("x", maxLine-len("PROXY UNKNOWN \r\n"))
	for _, c := range []struct {
		header string
		want   string // or
		err    error
	}{
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n", to4, nil},
		{"PROXY TCP6 2001:DB8::9 2001:db8::1 1234 443\r\n", to6, nil},
		{"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:198.51.100.1 1234 443\r\n", to4, nil},
		{"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0 to 0.0.0.0:0", nil},
		{"PROXY UNKNOWN\r\n", "itself", nil},
		{"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "itself", nil},
		{"PROXY UNKNOWN any\rthing\nat all\r\n", "itself", nil},
		{"PROXY UNKNOWN " + long + "\r\n", "itself", nil},
		{"PROXY UNKNOWN " + long + "x\r\n", "", errLine},
		{"PROXY TCP4 " + strings.Repeat("1", 200), "", errLine},
		{"PROXY UNKNOWNS\r\n", "", errLine},
		{"PROXY TCP5 203.0.113.9 198.51.100.1 1234 443\r\n", "", errLine},
		{"PROXY tcp4 203.0.113.9 198.51.100.1 1234 443\r\n", "", errLine},
		{"PROXY TCP4  203.0.113.9 198.51.100.1 1234 443\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443 \r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 01234 443\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 +1234 443\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234 65536\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.09 198.51.100.1 1234 443\r\n", "", errLine},
		{"PROXY TCP4 2001:db8::9 2001:db8::1 1234 443\r\n", "", errLine},
		{"PROXY TCP6 203.0.113.9 198.51.100.1 1234 443\r\n", "", errLine},
		{"PROXY TCP6 fe80::9%eth0 fe80::1%eth0 1234 443\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\n\r\n", "", errLine},
		{"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\r\n", "", errLine},

		{v2(0x21, 0x11, block4), to4, nil},
		{v2(0x21, 0x12, block4), to4, nil}, // of QUIC, say
		{v2(0x21, 0x21, block6), to6, nil},
		{v2(0x21, 0x22, block6), to6, nil},
		{v2(0x21, 0x31, unixBlock), "itself", nil},
		{v2(0x21, 0x32, unixBlock), "itself", nil},
		{v2(0x21, 0x00, ""), "itself", nil},
		{v2(0x21, 0x00, block4), "itself", nil},
		{v2(0x21, 0x10, block4), "itself", nil},
		{v2(0x21, 0x01, block4), "itself", nil},
		{v2(0x20, 0x00, ""), "itself", nil},
		{v2(0x20, 0x11, block4), "itself", nil},
		{v2(0x20, 0x11, ""), "itself", nil},
		{v2(0x20, 0xFF, "junk"), "itself", nil},                         // the family is ignored
		{v2(0x21, 0x11, block4+"\xEA\x00\x03\x01vp"), to4, nil},         // a TLV of AWS
		{v2(0x21, 0x11, block4+"\x04\xFF\xFF"), to4, nil},               // one with a junk length
		{v2(0x21, 0x11, block4+"\x03"), to4, nil},                       // ... and without any
		{v2(0x21, 0x11, block4+strings.Repeat("\x00", 4084)), to4, nil}, // all that may be
		{v2(0x21, 0x11, block4+strings.Repeat("\x00", 4085)), "", errSize},
		{v2(0x20, 0x00, strings.Repeat("\x00", 65535)), "", errSize},
		{v2(0x21, 0x11, block4[1:]), "", errSize},
		{v2(0x21, 0x21, block4), "", errSize},
		{v2(0x21, 0x31, block4), "", errSize},
		{v2(0x22, 0x11, block4), "", errVersion},
		{v2(0x11, 0x11, block4), "", errVersion},
		{v2(0x31, 0x11, block4), "", errVersion},
		{v2(0x21, 0x41, block4), "", errVersion},
		{v2(0x21, 0x13, block4), "", errVersion},

		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", errNone},
		{"G", "", errNone},
		{"\x01\x01\x00\x01\x00\x08\x00\x00", "", errNone},
		{"\x16\x03\x01\x02\x00\x01", "", errNone},
		{"PROXYTCP4 203.0.113.9", "", errNone},
		{"proxy TCP4 203.0.113.9", "", errNone},
		{"\r\n\r\n\x00\r\nQUIT\r\x21", "", errNone},
		{"", "", io.EOF},
	} {
		for _, rest := range []string{"", "GET / HTTP/1.1\r\n\r\n"} {
			if rest != "" && c.err != nil {
				continue
			}
			for _, slow := range []bool{false, true} {
				all := strings.NewReader(c.header + rest)
				var r io.Reader = all
				if slow {
					r = iotest.OneByteReader(r)
				}
				p, err := readHeader(r)
				if !errors.Is(err, c.err) || err == nil && show(p) != c.want {
					t.Errorf("%.120q: %s, %v, want %s, %v", c.header, show(p), err, c.want, c.err)
				}
				if left, _ := io.ReadAll(all); err == nil && string(left) != rest {
					t.Errorf("%.120q: %q is left, want %q", c.header, left, rest)
				}
			}
		}
	}
}

// What ends in a header was a header that is cut short, at whichever byte.
func TestAHeaderThatIsCutShort(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n", "PROXY UNKNOWN\r\n",
		v2(0x21, 0x11, block4+"\x04\x00\x00"), v2(0x20, 0x00, ""),
	} {
		for n := range header {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if _, err := readHeader(strings.NewReader(header[:n])); err != want {
				t.Errorf("%q: %v, want %v", header[:n], err, want)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\nrest",
		"PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN a b\r\n", v2(0x21, 0x11, block4) + "rest", v2(0x21, 0x21, block6+"\x01"), v2(0x20, 0, ""),
		v2(0x21, 0x31, block4), "PROXY ", signature, "GET / HTTP/1.1\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		p, err := readHeader(r)
		used := len(sent) - r.Len()
		switch {
		case used > fixedSize+maxBlock:
			t.Errorf("%d bytes are read", used)
		case err != nil:
			return
		}
		switch {
		case bytes.HasPrefix(sent, []byte(name)): // the first line break ends it, and nothing else
			end := bytes.Index(sent, []byte("\r\n")) + 2
			if used != end || used > maxLine {
				t.Errorf("%q: %d bytes are read, want %d", sent, used, end)
			}
		case bytes.HasPrefix(sent, []byte(signature)):
			if end := fixedSize + int(sent[14])<<8 + int(sent[15]); used != end {
				t.Errorf("%q: %d bytes are read, want %d", sent, used, end)
			}
		default:
			t.Errorf("%q is a header", sent)
		}
		if p.source.IsValid() != p.destination.IsValid() {
			t.Errorf("%q: %v", sent, p)
		}
		if !p.source.IsValid() {
			return
		}
		// What was read, written as a line, is read as the same.
		family := " TCP4 "
		if p.source.Addr().Is6() {
			family = " TCP6 "
		}
		line := "PROXY" + family + p.source.Addr().String() + " " + p.destination.Addr().String() + " " +
			portOf(p.source) + " " + portOf(p.destination) + "\r\n"
		if again, err := readHeader(strings.NewReader(line)); again != p || err != nil {
			t.Errorf("%q: %v, and %q: %v, %v", sent, p, line, again, err)
		}
	})
}

func portOf(a netip.AddrPort) string {
	s := netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port()).String()
	return s[strings.LastIndexByte(s, ':')+1:]
}
