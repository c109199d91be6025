package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/process"
)

// echoes is the variable that makes this program a server that repeats what it hears,
// or, with an address after it, one that says whether that answers.
const echoes = "NETNS_TEST_ECHO"

func TestMain(m *testing.M) {
	switch listen, asked, _ := strings.Cut(os.Getenv(echoes), " "); {
	case asked != "":
		fmt.Println(ask(asked)) //nolint:forbidigo // it is the answer
	case listen != "":
		panic(echo(listen)) //tidy:panic of a test's own child
	default:
		os.Exit(m.Run())
	}
}

func echo(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		_ = conn.Close() // that it was made is the answer
	}
}

// ask reports whether somebody answers within a moment.
func ask(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second/2)
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return err == nil
}

// TestHosts: hosts reach each other and are reached from here; cut from each other they
// still are reached from here, and one that has left is not.
func TestHosts(t *testing.T) {
	n, err := New(2)
	if errors.Is(err, ErrCannot) {
		t.Skipf("not run: cuts between hosts in network namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	a, b := n.Hosts()[0], n.Hosts()[1]
	server := b.Command(os.Args[0])
	server.Env = append(os.Environ(), echoes+"="+b.Addr+":7000")
	p, err := process.Start(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.End(9) }) // it does not end otherwise
	address := b.Addr + ":7000"
	for late := time.After(20 * time.Second); !ask(address); {
		select {
		case <-late:
			t.Fatal("the server does not answer")
		default:
		}
	}
	reached := func(what string, here, there bool) {
		t.Helper()
		var got [2]bool
		for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
			client := a.Command(os.Args[0])
			client.Env = append(os.Environ(), echoes+"=- "+address)
			out, err := client.Output()
			if err != nil {
				t.Fatal(err)
			}
			if got = [2]bool{ask(address), strings.TrimSpace(string(out)) == "true"}; got == [2]bool{here, there} {
				return
			}
		}
		t.Errorf("%s: reached from here %t, from the other host %t, want %t and %t", what, got[0], got[1], here, there)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	reached("at first", true, true)
	do(Cut(a, b))
	reached("cut", true, false)
	do(Mend(a, b))
	reached("mended", true, true)
	do(b.Leave())
	reached("left", false, false)
	do(b.Return())
	reached("returned", true, true)
}
