package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "tcp", "nobody:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody listens: %v", err)
		}
		go func() {
			c, err := n.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			_, err = io.Copy(c, c)
			if err := errors.Join(err, c.Close()); err != nil {
				t.Error(err)
			}
		}()
		c, err := n.Dial(t.Context(), "tcp", "anybody:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 5)
		if _, err := io.ReadFull(c, back); err != nil || string(back) != "hello" {
			t.Errorf("%q came back, %v", back, err)
		}
		if err := errors.Join(c.Close(), n.Close(), n.Close()); err != nil {
			t.Error(err)
		}
		if _, err := n.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it still accepts: %v", err)
		}
		if _, err := n.Dial(t.Context(), "tcp", "anybody:1"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it is still dialed: %v", err)
		}
	})
}
