package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/process"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// port is an address that a server can come back to.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve begins to serve at an address. The server ends like one that drains, or
// without a word to anybody.
func serve(t *testing.T, addr string, handler http.Handler) (leave func(context.Context), kill func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	web := server.HTTP(handler)
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	end := func(err error) {
		if err != nil {
			t.Error(err)
		}
		<-done
	}
	return func(ctx context.Context) { end(web.Shutdown(ctx)) }, func() { end(web.Close()) }
}

// crowd adds to a counter from many goroutines until told to end: with IDs of its
// own, which it repeats, and with IDs of the library's.
type crowd struct {
	t                *testing.T
	ctx              context.Context
	db               *mainstem.DB
	all              sync.WaitGroup
	end              atomic.Bool
	acked, undecided atomic.Int64
	step             chan struct{} // something was acknowledged
}

func gather(ctx context.Context, t *testing.T, db *mainstem.DB) *crowd {
	c := &crowd{t: t, ctx: ctx, db: db, step: make(chan struct{}, 1)}
	for i := range 8 {
		c.all.Go(func() {
			for n := 0; !c.end.Load(); n++ {
				id := ""
				if i%2 == 0 {
					id = fmt.Sprintf("%d-%d", i, n)
				}
				if !c.add(id) {
					return
				}
			}
		})
	}
	return c
}

// add goes on until one more is counted.
func (c *crowd) add(id string) bool {
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		_, err := add(c.ctx, c.db, "g", id)
		code := mainstem.CodeOf(err)
		switch {
		case err == nil:
			c.acked.Add(1)
			select {
			case c.step <- struct{}{}:
			default: // nobody waits
			}
			return true
		case code == mainstem.Undecided && id != "":
			c.undecided.Add(1)
		case code != mainstem.Unavailable:
			c.t.Errorf("ID %q: %v", id, err)
			return false
		}
		select {
		case <-pause.C:
		case <-c.ctx.Done():
			c.t.Errorf("ID %q: %v", id, err)
			return false
		}
	}
}

// more waits for so many acknowledgements.
func (c *crowd) more(n int64) {
	c.t.Helper()
	for until := c.acked.Load() + n; c.acked.Load() < until; {
		select {
		case <-c.step:
		case <-c.ctx.Done():
			c.t.Fatalf("%d are acknowledged, %d were waited for", c.acked.Load(), until)
		}
	}
}

// leave ends the load and says how many were acknowledged.
func (c *crowd) leave() int64 {
	c.end.Store(true)
	c.all.Wait()
	c.t.Logf("%d acknowledged, %d undecided on the way", c.acked.Load(), c.undecided.Load())
	return c.acked.Load()
}

// TestServerComesBack: a server that ends without a word in the middle of a load, and
// comes back at the same address before the same database, has lost and doubled
// nothing, and its clients go on by themselves.
func TestServerComesBack(t *testing.T) {
	behind, addr := mainstemtest.Open(t), port(t)
	_, kill := serve(t, addr, server.New(behind.Backend()))
	ctx := within(t, 60*time.Second)
	load := gather(ctx, t, dial(t, "http://"+addr).DB)
	for range 5 {
		load.more(50)
		kill()
		_, kill = serve(t, addr, server.New(behind.Backend()))
	}
	load.more(50)
	acked := load.leave()
	kill()
	if n := count(t, behind.DB, "g"); n != acked {
		t.Errorf("%d are counted, %d were acknowledged", n, acked)
	}
}

// TestDrainAlone: a server that leaves under load answers what it has begun: its
// clients hear that it is Unavailable, and nothing is undecided.
func TestDrainAlone(t *testing.T) {
	behind, addr := mainstemtest.Open(t), port(t)
	first := server.New(behind.Backend())
	leave, kill := serve(t, addr, first)
	ctx := within(t, 60*time.Second)
	load := gather(ctx, t, dial(t, "http://"+addr).DB)
	for range 3 {
		load.more(50)
		if err := first.Drain(ctx); err != nil {
			t.Error(err)
		}
		leave(ctx)
		first = server.New(behind.Backend())
		leave, kill = serve(t, addr, first)
	}
	load.more(50)
	acked := load.leave()
	kill()
	if n := count(t, behind.DB, "g"); n != acked || load.undecided.Load() != 0 {
		t.Errorf("%d are counted, %d were acknowledged, %d undecided", n, acked, load.undecided.Load())
	}
}

// TestStaleRefusalRepeatsNothing: a server that says Unavailable too late, when the
// client has given up and sent the transaction elsewhere, brings about nothing.
func TestStaleRefusalRepeatsNothing(t *testing.T) {
	behind := mainstemtest.Open(t)
	late := stale{behind.Backend(), make(chan struct{}), make(chan struct{}, 1)}
	db := dial(t, mainstemtest.Serve(t, late)+","+mainstemtest.Serve(t, behind.Backend()), remote.Hedge(0))
	ctx := within(t, 20*time.Second)
	commit := func(ctx context.Context) (*mainstem.Receipt, error) {
		return db.Backend().Commit(ctx, &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: "i"}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Add{Name: "n", Delta: 1}},
		})
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := commit(short)
	wantCode(t, err, mainstem.Undecided)
	receipts := make(chan *mainstem.Receipt)
	go func() {
		r, err := commit(ctx)
		if err != nil {
			t.Error(err)
		}
		receipts <- r
	}()
	<-late.asked
	<-late.asked
	close(late.gate) // both are refused now; the first has nobody who listens
	if r := <-receipts; r == nil || r.Replayed {
		t.Errorf("the receipt is %+v", r)
	}
	if n := count(t, behind.DB, "g"); n != 1 {
		t.Errorf("it was counted %d times", n)
	}
}

// stale is a Backend that refuses commits once its gate is open, and not before.
type stale struct {
	mainstem.Backend
	gate, asked chan struct{}
}

func (s stale) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	s.asked <- struct{}{}
	<-s.gate
	return nil, mainstem.Errorf(mainstem.Unavailable, "this node is behind")
}

// child are the directory and the address of the database that this process is to
// serve until it is killed, instead of testing.
const child = "MAINSTEM_TEST_CHILD"

func beChild(dir, addr string) error {
	db, err := embedded.Open(context.Background(), dir)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return server.HTTP(server.New(db.Backend())).Serve(l)
}

// TestProcessIsStoppedAndKilled: a server in a process of its own, on files, that is
// stopped for a while (SIGSTOP) and killed (SIGKILL) under load, and begun again:
// what was acknowledged is there, nothing twice.
func TestProcessIsStoppedAndKilled(t *testing.T) {
	dir, addr := t.TempDir(), port(t)
	ctx := within(t, 90*time.Second)
	db := dial(t, "http://"+addr)
	begin := func() *process.Process {
		t.Helper()
		cmd := exec.Command(os.Args[0]) //nolint:noctx // it is ended by a signal
		cmd.Env = append(os.Environ(), child+"="+dir+" "+addr)
		cmd.Stderr = os.Stderr
		p, err := process.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(ctx, func(ctx context.Context) error { _, err := db.Status(ctx); return err }); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := begin()
	load := gather(ctx, t, db.DB)
	for range 3 {
		load.more(20)
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := db.Backend().Commit(short, &mainstem.Transaction{Group: "other", ID: mainstem.ID{Opaque: "i"}, Attempt: 1})
		cancel()
		if code := mainstem.CodeOf(err); code != mainstem.Undecided && code != mainstem.Cancelled {
			t.Errorf("a commit to a stopped process: %v", err)
		}
		if err := p.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		load.more(20)
		_ = p.End(syscall.SIGKILL) // that it was killed is no news
		p = begin()
	}
	load.more(20)
	acked := load.leave()
	if n := count(t, db.DB, "g"); n != acked {
		t.Errorf("%d are counted, %d were acknowledged", n, acked)
	}
	_ = p.End(syscall.SIGKILL) // as above
}
