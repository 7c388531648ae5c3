package cgi

import "syscall"

// wasClosed reports whether the process was started with the file closed. The runtime then opens
// /dev/null in its place, for reading and writing, and a response that goes there would be lost
// without an error. A shell's >/dev/null and package os/exec open /dev/null for writing only. A
// parent that opens it for both, as Python's subprocess.DEVNULL does, is taken for one that has
// closed stdout.
func wasClosed(fd int) bool {
	const null = 1<<8 | 3 // the device /dev/null: major 1, minor 3
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) != nil {
		return true
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFCHR || stat.Rdev != null {
		return false
	}
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	return errno == 0 && flags&syscall.O_ACCMODE == syscall.O_RDWR
}
