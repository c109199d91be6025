package process

import (
	"net"
	"strconv"
	"testing"
)

// TestPorts: each can be listened on, and none is there twice.
func TestPorts(t *testing.T) {
	ports, err := Ports(5)
	if err != nil || len(ports) != 5 {
		t.Fatal(ports, err)
	}
	one, err := Port()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range ports {
		port := strconv.Itoa(p)
		if seen[port] {
			t.Errorf("%s is there twice", port)
		}
		seen[port] = true
	}
	for port := range seen {
		listen(t, port)
	}
	if !seen[one] {
		listen(t, one)
	}
}

func listen(t *testing.T, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}
