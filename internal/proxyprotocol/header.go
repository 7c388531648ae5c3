package proxyprotocol

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// The header on the wire, in versions 1 and 2:
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

const (
	// signature begins a header of version 2 (2.2). It has a fixed part of fixedSize bytes.
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixedSize = 16

	// name begins a header of version 1 (2.1), a line of minLine to maxLine bytes.
	name    = "PROXY "
	minLine = len("PROXY UNKNOWN\r\n")
	maxLine = 107

	// maxBlock is how long the addresses and the TLVs of a header of version 2 may be. The protocol
	// has none above one packet. nginx allows as much.
	maxBlock = 4096
)

// Version 2, byte 13: the version and the command.
const (
	versionLocal = 0x20
	versionProxy = 0x21
)

// Version 2, byte 14: the address family in the upper half, and the transport in the lower one.
const (
	unspecified = 0
	inet        = 1
	inet6       = 2
	unix        = 3
	datagram    = 2 // the last transport that there is
)

// The ways in which a header can be wrong. All are returned by readHeader.
var (
	errNone    = errors.New("the connection begins with something else")
	errLine    = errors.New("the line of version 1 is malformed")
	errVersion = errors.New("the version, command, family or transport is unknown")
	errSize    = errors.New("the length is wrong for the addresses, or above 4096 bytes")
)

// A pair is the source and the destination of the connection that the proxy has accepted. It is the
// zero pair if the header does not say: then the addresses of the connection itself count.
type pair struct {
	source, destination netip.AddrPort
}

// tcp returns an address for package net.
func tcp(a netip.AddrPort) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// readHeader reads a header from r, and not one byte more: what follows stays in the socket, from
// which the server reads by itself. It returns io.EOF if there is no byte, and
// io.ErrUnexpectedEOF if the header is cut short.
func readHeader(r io.Reader) (pair, error) {
	var buf [maxLine]byte
	// No header is shorter than minLine. Bytes that are none are not waited for.
	n := 0
	for n < minLine {
		m, err := r.Read(buf[n:minLine])
		n += m
		if start := string(buf[:n]); !begins(start, signature) && !begins(start, name) {
			return pair{}, errNone
		}
		if n < minLine && err != nil {
			return pair{}, cutShort(err, n)
		}
	}
	if buf[0] == name[0] {
		return readLine(r, buf[:minLine])
	}
	return readBlock(r, buf[:minLine])
}

// begins reports whether one of the two strings begins with the other one.
func begins(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// cutShort returns the error of a read after n bytes of a header. If the peer has left, that is
// io.ErrUnexpectedEOF, unless n is 0.
func cutShort(err error, n int) error {
	isOurs := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
	if n > 0 && !isOurs {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readLine reads the rest of a header of version 1. Two bytes at least are missing as long as there
// is no CR at the end: to read them at once does not read too far.
func readLine(r io.Reader, line []byte) (pair, error) {
	for !strings.HasSuffix(string(line), "\r\n") {
		missing := 2
		if line[len(line)-1] == '\r' {
			missing = 1
		}
		if len(line)+missing > maxLine {
			return pair{}, errLine
		}
		n := len(line)
		line = line[:n+missing]
		if _, err := io.ReadFull(r, line[n:]); err != nil {
			return pair{}, cutShort(err, n)
		}
	}
	return parseLine(string(line[:len(line)-2]))
}

// parseLine parses a header of version 1 without its line break.
func parseLine(line string) (pair, error) {
	if line == name+"UNKNOWN" || strings.HasPrefix(line, name+"UNKNOWN ") {
		return pair{}, nil
	}
	fields := strings.Split(line, " ")
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return pair{}, errLine
	}
	is4 := fields[1] == "TCP4"
	source, ok := parseAddrPort(fields[2], fields[4], is4)
	destination, ok2 := parseAddrPort(fields[3], fields[5], is4)
	if !ok || !ok2 {
		return pair{}, errLine
	}
	return pair{source, destination}, nil
}

func parseAddrPort(addr, port string, is4 bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Is4() != is4 || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	isShortest := strconv.FormatUint(n, 10) == port // as the protocol has it
	return netip.AddrPortFrom(ip, uint16(n)), err == nil && isShortest
}

// readBlock reads the rest of a header of version 2. The TLVs behind the addresses are skipped,
// whatever they are: a receiver may do so.
func readBlock(r io.Reader, start []byte) (pair, error) {
	fixed := start[:fixedSize]
	if _, err := io.ReadFull(r, fixed[len(start):]); err != nil {
		return pair{}, cutShort(err, len(start))
	}
	size := int(binary.BigEndian.Uint16(fixed[14:]))
	command, family, transport := fixed[12], fixed[13]>>4, fixed[13]&0xF
	switch {
	case command != versionLocal && command != versionProxy,
		command == versionProxy && (family > unix || transport > datagram):
		return pair{}, errVersion
	case size > maxBlock:
		return pair{}, errSize
	}
	block := make([]byte, size)
	if _, err := io.ReadFull(r, block); err != nil {
		return pair{}, cutShort(err, fixedSize)
	}
	if command == versionLocal || family == unspecified || transport == unspecified {
		return pair{}, nil // the proxy's own connection, or the proxy does not know
	}
	addrSize := 0
	switch family {
	case inet:
		addrSize = 4
	case inet6:
		addrSize = 16
	case unix:
		// The client is on the proxy's machine. Its path says nothing here, and must not pass for
		// a client of this machine.
		if size < 2*108 {
			return pair{}, errSize
		}
		return pair{}, nil
	}
	if size < 2*addrSize+4 {
		return pair{}, errSize
	}
	source, _ := netip.AddrFromSlice(block[:addrSize])
	destination, _ := netip.AddrFromSlice(block[addrSize : 2*addrSize])
	ports := block[2*addrSize:]
	return pair{
		netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:])),
	}, nil
}
