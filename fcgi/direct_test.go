package fcgi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// readLarge reads its body into as much memory as the path says, and answers with what it was. A
// Read may use all of that memory, but must leave nothing of anybody else in it.
func readLarge(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	size, err := strconv.Atoi(env.Vars["PATH_INFO"][1:])
	if err != nil {
		return nil, err
	}
	total, hash, stray := 0, sha256.New(), false
	for buf, zeros := make([]byte, size), make([]byte, size); ; {
		n, err := env.Input.Read(buf)
		total += n
		hash.Write(buf[:n])
		stray = stray || !bytes.Equal(buf[n:], zeros[n:])
		clear(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Text(fmt.Sprintf("%d bytes, %x, stray %v", total, hash.Sum(nil), stray)), err
}

func largeAnswer(body string) string {
	return fmt.Sprintf("%d bytes, %x, stray false", len(body), sha256.Sum256([]byte(body)))
}

// upload returns a request with a body in records of the sizes and paddings that next returns.
func upload(id uint16, size int, body string, withLength bool, next func() (size, padding int)) string {
	var b strings.Builder
	vars := []string{"CONTENT_LENGTH", ""}
	if withLength {
		vars[1] = fmt.Sprint(len(body))
	}
	b.WriteString(head(id, keepConn, "POST", fmt.Sprintf("/%d", size), vars...))
	for body != "" {
		n, padding := next()
		n = min(n, len(body))
		b.WriteString(rec(stdinRecord, id, body[:n], padding))
		body = body[n:]
	}
	b.WriteString(rec(stdinRecord, id, "", 5))
	return b.String()
}

// Bodies come to an application that reads much at a time as they are, whatever the records and
// however they come, and what follows them is another's.
func TestLargeReads(t *testing.T) {
	pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
	for name, l := range map[string]net.Listener{"unix": listenUnix(t), "tcp": listenTCP(t), "pipe": pipes} {
		s := serveOn(t, l, readLarge)
		for _, record := range []struct{ size, padding int }{
			{30, 0}, {1000, 7}, {8192, 8}, {32768, 0}, {32767, 255}, {65535, 1},
		} {
			body := numbered(min(200_000, 1000*record.size))
			same := func() (int, int) { return record.size, record.padding }
			for _, size := range []int{8192, 32768, 65536 + 16, 1 << 20} {
				for _, withLength := range []bool{true, false} {
					what := fmt.Sprintf("%s, records of %d and %d, reads of %d, length %v", name, record.size, record.padding, size, withLength)
					var c *client
					if l == net.Listener(pipes) {
						ours, theirs := net.Pipe()
						pipes.conns <- theirs
						c = newClient(t, ours)
					} else {
						c = s.dial()
					}
					next := numbered(40_000)[20_000:]
					c.sendAside(upload(1, size, body, withLength, same), upload(2, size, next, withLength, same), get(3, "/8192"))
					for id, want := range map[uint16]string{1: body, 2: next, 3: ""} {
						if a := c.read(id); a.body() != largeAnswer(want) {
							t.Fatalf("%s: request %d got %q, want %q", what, id, a.body(), largeAnswer(want))
						}
					}
					c.conn.Close()
				}
			}
		}
	}
}

// An error of the host's after a body does not reach into it.
func TestLargeReadBeforeWhatNoHostSends(t *testing.T) {
	body := numbered(100_000)
	whole := upload(1, 1<<20, body, true, func() (int, int) { return 30_000, 0 })
	s := serve(t, readLarge)
	for what, after := range map[string]string{
		"another version": "\x02" + rec(stdinRecord, 1, "")[1:], "no record": strings.Repeat("GET / ", 5000),
		"a body that nobody has": rec(stdinRecord, 77, strings.Repeat("x", 30_000)),
	} {
		c := s.dial()
		c.sendAside(whole, after)
		if a := c.read(1); a.body() != largeAnswer(body) {
			t.Errorf("%s: %q", what, a.body())
		}
	}
}

// Records between those of a body are not of it.
func TestLargeReadOfABodyWithOthersBetween(t *testing.T) {
	const dataRecord = 8 // of the Filter role
	body := numbered(100_000)
	s := serve(t, readLarge)
	for what, between := range map[string]string{
		"another's body": rec(stdinRecord, 77, "!!!!!", 3), "another's large body": rec(stdinRecord, 77, strings.Repeat("!", 40_000)),
		"data": rec(dataRecord, 1, "!!!!!"), "an abort for nobody": rec(abortRequest, 77, ""), "a question": rec(getValues, 0, ""),
	} {
		for _, size := range []int{8192, 65536, 1 << 20} {
			c := s.dial()
			c.sendAside(head(1, keepConn, "POST", fmt.Sprintf("/%d", size), "CONTENT_LENGTH", "100000"),
				rec(stdinRecord, 1, body[:20_000]), rec(stdinRecord, 1, body[20_000:40_000]), between, rec(stdinRecord, 1, body[40_000:90_000], 8),
				between, rec(stdinRecord, 1, body[90_000:]), rec(stdinRecord, 1, ""))
			if a := c.read(1); a.body() != largeAnswer(body) {
				t.Errorf("%s, reads of %d: %q", what, size, a.body())
			}
		}
	}
}

// FuzzLargeReads cuts two bodies into records, and what is sent into writes, as the seed says. Short
// bodies are as likely as long ones, so that it does hundreds of them a second.
func FuzzLargeReads(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint32(8192*(seed+1)), seed%2 == 0)
	}
	all := numbered(300_000)
	l := &pipeListener{make(chan net.Conn), make(chan struct{})}
	server := &fcgi.Server{Application: gateway.ApplicationFunc(readLarge), ErrorLog: discard}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	f.Cleanup(func() {
		server.Close()
		<-done
	})
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, withLength bool) {
		random := rand.New(rand.NewPCG(seed, 1))
		atMost := func() int { return 1 + random.IntN(1<<(1+random.IntN(16))) } // small ones are as likely as large ones
		next := func() (int, int) { return min(atMost(), 65535), random.IntN(256) * random.IntN(2) }
		size = 1 + size%200_000
		bodies := []string{all[:3*atMost()], all[100_000 : 100_000+3*atMost()]}
		text := upload(1, int(size), bodies[0], withLength, next) + upload(2, int(size), bodies[1], withLength, next)
		ours, theirs := net.Pipe()
		l.conns <- theirs
		c := newClient(t, ours)
		go func() {
			for text != "" {
				n := min(atMost(), len(text))
				if _, err := io.WriteString(c.conn, text[:n]); err != nil {
					return
				}
				text = text[n:]
			}
		}()
		for i, body := range bodies {
			if a := c.read(uint16(i + 1)); a.body() != largeAnswer(body) {
				t.Fatalf("request %d got %q, want %q", i+1, a.body(), largeAnswer(body))
			}
		}
		c.conn.Close()
	})
}
