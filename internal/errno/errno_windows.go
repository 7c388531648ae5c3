package errno

import (
	"io/fs"
	"syscall"
)

// The names are those of winerror.h.
var (
	reset = []error{
		syscall.WSAECONNRESET,
		syscall.WSAECONNABORTED,       // of a write, after a reset
		syscall.ERROR_NETNAME_DELETED, // a reset, as the I/O completion port reports it
	}
	broken = []error{
		syscall.ERROR_BROKEN_PIPE,
		syscall.Errno(232), // ERROR_NO_DATA: the pipe is being closed
		syscall.Errno(233), // ERROR_PIPE_NOT_CONNECTED
	}
	refused = []error{
		syscall.Errno(10061), // WSAECONNREFUSED
	}
	inUse = []error{
		syscall.Errno(10048), // WSAEADDRINUSE
	}
	full   []error // a full queue refuses
	denied = []error{
		fs.ErrPermission,
		syscall.WSAEACCES,
	}
	device = []error{
		syscall.Errno(23),   // ERROR_CRC
		syscall.Errno(30),   // ERROR_READ_FAULT
		syscall.Errno(1117), // ERROR_IO_DEVICE
	}
)
