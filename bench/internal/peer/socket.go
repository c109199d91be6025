package peer

import (
	"errors"
	"net"
	"os"
)

// socketDir is a directory for a server's Unix socket, to be removed with it. A
// socket's path may have about 100 bytes, so it is not below the data.
func socketDir() (string, error) { return os.MkdirTemp("", "bench-") }

// freePort is a port of the loopback interface that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
