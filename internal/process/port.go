package process

import (
	"net"
	"strconv"
)

// Ports are n ports of the loopback interface that nobody listens on now, each
// another one. Between this and a server's start somebody may take one.
func Ports(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it only finds a port
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // it was only asked for its port
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Port is one of them, as text.
func Port() (string, error) {
	ports, err := Ports(1)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(ports[0]), nil
}
