package serve

import (
	"errors"
	"io/fs"
	"net"
)

func listenUnix(string, fs.FileMode) (net.Listener, error) {
	return nil, errors.New("there are no Unix sockets on this system")
}

// errInUse is returned by no function here.
var errInUse = errors.New("somebody listens there already")
