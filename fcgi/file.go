package fcgi

import (
	"io"
	"os"

	"example.com/gateway"
	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/internal/socket"
	"example.com/gateway/request"
)

// filePiece is what a record of a file holds: whole pages, which with the header fit a packet of
// the loopback interface, and what the kernel sends as one (17 fragments).
const filePiece = 60 << 10

// ReadFrom implements io.ReaderFrom, for the parts of a file: the content of each record comes from
// the file by sendfile(2). A record says how long it is before its content comes, and that is known
// of a regular file alone.
func (r *call) ReadFrom(src io.Reader) (sent int64, err error) {
	if err := r.Flush(); err != nil {
		return 0, err
	}
	part, isPart := src.(*io.LimitedReader)
	if !isPart || !socket.CanSendFile {
		return r.copyFile(src)
	}
	f, isFile := part.R.(*os.File)
	if !isFile {
		return r.copyFile(src)
	}
	left := part.N
	if info, err := f.Stat(); err != nil {
		return 0, err
	} else if at, err := f.Seek(0, io.SeekCurrent); err != nil {
		return 0, err
	} else if info.Size() > at {
		left = min(left, info.Size()-at)
	} else { // its end; or a file of /proc, which has no size
		return r.copyFile(part)
	}
	for left > 0 && err == nil {
		if r.aborted.Load() {
			return sent, request.Disconnected(errAborted)
		}
		n := min(left, maxRecords*filePiece)
		if r.c.isPlural() || !reaches(f, n) {
			n, err = r.copyFile(part)
			return sent + n, err
		}
		n, err = r.c.writeFile(r, f, n)
		sent += n
		left -= n
		part.N -= n
	}
	return sent, err
}

// reaches reports whether f has n more bytes. Stat is not to be trusted: a file of sysfs says that
// it has 4096 bytes, and another file may have been cut since.
func reaches(f *os.File, n int64) bool {
	at, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.ReadAt(make([]byte, 1), at+n-1)
	}
	return err == nil
}

// copyFile sends what src has block by block.
func (r *call) copyFile(src io.Reader) (sent int64, err error) {
	for buf := make([]byte, 32<<10); ; {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := r.Write(buf[:n]); err != nil {
				return sent, err
			}
			if err := r.Flush(); err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil { // it is the file that cannot be read, and nobody has left
			return sent, err
		}
	}
}

// writeFile is writeFor of the next n bytes of a file as records. If the file ends within a record,
// since somebody has cut the file, the connection ends there too: no byte is sent that was not
// read.
func (c *conn) writeFile(r *call, f *os.File, n int64) (sent int64, err error) {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.ended {
		return 0, gateway.ErrEnded
	}
	if w.err != nil {
		return 0, w.err
	}
	w.setDeadline()
	for n > 0 {
		size := min(n, filePiece)
		m, ferr, err := w.writeRecord(r.id, &io.LimitedReader{R: f, N: size})
		sent += m
		n -= m
		if err == nil && ferr != nil {
			_ = c.failed(w.fail(ferr))
			return sent, ferr
		}
		if err != nil {
			return sent, c.failed(w.fail(err))
		}
	}
	return sent, nil
}

// writeRecord writes a STDOUT record of the content that src has. ferr is why there was less of it,
// err is the connection's.
func (w *writer) writeRecord(id uint16, src *io.LimitedReader) (sent int64, ferr, err error) {
	left := src.N
	var header [fastcgi.HeaderSize]byte
	if _, err := w.WriteMore(fastcgi.AppendHeader(header[:0], fastcgi.Stdout, id, int(left))); err != nil {
		return 0, nil, err
	}
	sent, _, err = socket.SendFile(w.conn, src)
	if left -= sent; left == 0 || err != nil {
		return sent, nil, err
	}
	// The system cannot send this file over this connection, or it has ended.
	buf := make([]byte, left)
	n, ferr := io.ReadFull(src.R, buf)
	if ferr == io.EOF {
		ferr = io.ErrUnexpectedEOF
	}
	m, err := w.Write(buf[:n])
	return sent + int64(m), ferr, err
}
