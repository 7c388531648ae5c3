package errno_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/gateway/internal/errno"
)

// A verdict is what the functions of the package say of an error.
type verdict struct{ reset, hangUp, refused, inUse, full, denied, io bool }

func judge(err error) verdict {
	return verdict{errno.IsReset(err), errno.IsHangUp(err), errno.IsRefused(err), errno.IsInUse(err),
		errno.IsFull(err), errno.IsDenied(err), errno.IsIO(err)}
}

// dial returns the two ends of a TCP connection.
func dial(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err) // a system without sockets
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), accepted.(*net.TCPConn)
}

// The errors come from the system, so that the test holds on any.
func TestAResetIsKnownByAReadAndAWrite(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{true, false} {
		ours, theirs := dial(t)
		_ = theirs.SetLinger(0)
		theirs.Close()
		var err error
		for err == nil { // the first writes may succeed
			if reads {
				_, err = ours.Read(make([]byte, 1))
			} else if _, err = ours.Write([]byte("x")); err == nil {
				time.Sleep(time.Millisecond)
			}
		}
		if got := judge(err); !got.hangUp || reads && !got.reset || got != (verdict{reset: got.reset, hangUp: true}) {
			t.Errorf("reads: %v: of %v it says %+v", reads, err, got)
		}
	}
}

func TestAPipeThatNobodyReadsIsAHangUp(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Skip(err)
	}
	defer w.Close()
	r.Close()
	_, err = w.Write([]byte("x"))
	if got, want := judge(err), (verdict{hangUp: true}); got != want {
		t.Errorf("of %v it says %+v, want %+v", err, got, want)
	}
}

func TestASocketOnWhichNobodyListensRefuses(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Log("skipped:", err) // a system without such sockets
			continue
		}
		if l, ok := l.(interface{ SetUnlinkOnClose(bool) }); ok {
			l.SetUnlinkOnClose(false)
		}
		l.Close()
		_, err = net.Dial(network, l.Addr().String())
		if got, want := judge(err), (verdict{refused: true}); got != want {
			t.Errorf("%s: of %v it says %+v, want %+v", network, err, got, want)
		}
	}
}

func TestAnAddressIsInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	again, err := net.Listen("tcp", l.Addr().String())
	if err == nil {
		again.Close()
	}
	if got, want := judge(err), (verdict{inUse: true}); got != want {
		t.Errorf("of %v it says %+v, want %+v", err, got, want)
	}
}

func TestAMissingPermissionIsDenied(t *testing.T) {
	t.Parallel()
	err := &fs.PathError{Op: "mkdir", Path: "/", Err: fs.ErrPermission}
	if got, want := judge(err), (verdict{denied: true}); got != want {
		t.Errorf("of %v it says %+v, want %+v", err, got, want)
	}
}

func TestOtherErrorsAreNoneOfThese(t *testing.T) {
	t.Parallel()
	_, missing := os.Open(filepath.Join(t.TempDir(), "missing"))
	for _, err := range []error{
		nil, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, errors.New("boom"), missing,
	} {
		if got := judge(err); got != (verdict{}) {
			t.Errorf("of %v it says %+v", err, got)
		}
	}
}

// A number that means something else on Windows is compared here only.
func TestNoOtherPackageNamesTheNumbers(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`syscall\.(ECONN[A-Z]*|EPIPE|EADDR[A-Z]*|EIO)\b`)
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			switch d.Name() {
			case "errno", "interop", "bench", "mutants", ".git":
				return fs.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		source, err := os.ReadFile(path)
		for _, found := range number.FindAllString(string(source), -1) {
			t.Errorf("%s compares with %s", path, found)
		}
		return err
	})
	if err != nil || files < 50 {
		t.Errorf("%d files were looked at, %v", files, err)
	}
}
