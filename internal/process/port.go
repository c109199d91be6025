package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
)

// Ports below what Linux gives to connections that go out (32,768 on): none of those
// can take one between our looking and a server's start.
const firstPort, lastPort = 10_000, 32_000

var errNoPort = errors.New("no port of the loopback interface is free")

// Ports are n ports of the loopback interface that nobody listens on now, each
// another one, chosen by chance. Between this and a server's start another one who
// looks for ports so may take one.
func Ports(n int) (ports []int, err error) {
	for range 100 * (n + 1) {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // it only finds a port
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return nil, errNoPort
}

// Port is one of them, as text.
func Port() (string, error) {
	ports, err := Ports(1)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(ports[0]), nil
}
