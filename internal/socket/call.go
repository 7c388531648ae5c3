//go:build unix

package socket

import "syscall"

// Read, ReadBoth and Write are system calls for the functions that Read and Write of a
// syscall.RawConn take. They never wait: with the error syscall.EAGAIN the function returns false.
//
// On Linux they are made with RawSyscall, without telling the runtime, which package syscall tells
// of each call that may wait. During such a call the runtime's monitor gives the processor to
// another thread whenever the kernel lets somebody else run, such as the peer that the call has
// just woken. For a small FastCGI request, RawSyscall saves a tenth to a quarter of the CPU time.

// Read is read(2) of at most len(p) bytes. It returns 0 and no error at the end of the stream.
func Read(fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = read(fd, p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Write is write(2) of p or its first part. With more, bytes that do not fill a packet may wait for
// the next Write.
func Write(fd uintptr, p []byte, more bool) (n int, err error) {
	for {
		if n, err = write(fd, p, more); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
