package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// partly is a Backend of which one group is stuck until it is let go.
type partly struct {
	mainstem.Backend
	free chan struct{}
}

func (p partly) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if t.Group == "stuck" {
		select {
		case <-p.free:
		case <-ctx.Done():
			return nil, mainstem.Errorf(mainstem.Undecided, "%w", context.Cause(ctx))
		}
	}
	return p.Backend.Commit(ctx, t)
}

// TestStuckGroupHoldsUpNobody: transactions of all goroutines share a stream, and
// those that are not answered do not keep the others from being sent.
func TestStuckGroupHoldsUpNobody(t *testing.T) {
	behind := mainstemtest.Open(t)
	b := partly{behind.Backend(), make(chan struct{})}
	db := dial(t, mainstemtest.Serve(t, b))
	ctx := within(t, 20*time.Second)
	commit := func(group, id string) error {
		_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: group, ID: mainstem.ID{Opaque: id}, Attempt: 1})
		return err
	}
	const stuck = 20
	var all sync.WaitGroup
	for i := range stuck {
		all.Go(func() {
			if err := commit("stuck", fmt.Sprint(i)); err != nil {
				t.Errorf("after all: %v", err)
			}
		})
		if err := commit("free", fmt.Sprint(i)); err != nil { // and each goes in a message of its own
			t.Fatalf("with %d stuck: %v", i+1, err)
		}
	}
	close(b.free)
	all.Wait()
}

// garbled is a Backend whose errors are not text.
type garbled struct{ mainstem.Backend }

var errGarbled = &mainstem.Error{Code: mainstem.Conflict, Message: "the key holds \xff\xfe", Advice: "see \xff", Condition: 1}

func (g garbled) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if t.Group == "garbled" {
		return nil, errGarbled
	}
	return g.Backend.Commit(ctx, t)
}

func (g garbled) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if r.Group == "garbled" {
		return nil, errGarbled
	}
	return g.Backend.View(ctx, r)
}

func (garbled) Changes(context.Context, mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) { yield(mainstem.Batch{}, errGarbled) }
}

// TestErrorsThatAreNotText: they arrive as well as they can, and disturb nobody.
func TestErrorsThatAreNotText(t *testing.T) {
	behind := mainstemtest.Open(t)
	db := dial(t, mainstemtest.Serve(t, garbled{behind.Backend()}))
	ctx := within(t, 20*time.Second)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 20 {
				if _, err := add(ctx, db.DB, "sound", fmt.Sprint(i, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	_, commit := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "garbled", ID: mainstem.ID{Opaque: "i"}})
	_, view := db.Backend().View(ctx, mainstem.ViewRequest{Group: "garbled", At: mainstem.Latest()})
	var feed error
	for _, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
		feed = err
	}
	for what, err := range map[string]error{"commit": commit, "view": view, "feed": feed} {
		var got *mainstem.Error
		if !errors.As(err, &got) || got.Code != mainstem.Conflict || got.Condition != 1 || !strings.HasPrefix(got.Message, "the key holds") || !strings.HasPrefix(got.Advice, "see") {
			t.Errorf("%s: %v", what, err)
		}
	}
	all.Wait()
}

// TestFeedsDoNotMendTheBreaker: a server that cannot be reached is left alone, whoever
// asks for what.
func TestFeedsDoNotMendTheBreaker(t *testing.T) {
	db := dial(t, away)
	ctx := within(t, 20*time.Second)
	began, left := time.Now(), false
	for i := range 10 * remote.BreakAfter {
		for _, err := range db.Changes(ctx, mainstem.From{}) {
			wantCode(t, err, mainstem.Unavailable)
			left = left || strings.Contains(err.Error(), "left alone")
		}
		if i == remote.BreakAfter && !left && time.Since(began) < remote.BreakFor {
			t.Errorf("after %d feeds in a row it is still asked", i+1)
		}
	}
	if _, err := add(ctx, db.DB, "g", "a"); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Errorf("a commit: %v", err)
	}
}

// TestRefusalsAreHeard: a server that refuses a view before it has read what was
// asked, or a stream of transactions, is heard, every time, however often in a row: to
// take Denied for Unavailable is to repeat it for good.
func TestRefusalsAreHeard(t *testing.T) {
	denied := mainstem.Errorf(mainstem.Denied, "nobody is let in")
	guard := server.Guard(func(context.Context, mainstem.Backend) (mainstem.Backend, error) { return nil, denied })
	db := dial(t, mainstemtest.Serve(t, mainstemtest.Open(t).Backend(), guard))
	ctx := within(t, 60*time.Second)
	for range 2 * remote.BreakAfter {
		if _, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g"}); mainstem.CodeOf(err) != mainstem.Denied {
			t.Errorf("a transaction: %v", err)
		}
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 100 {
				if _, err := db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()}); mainstem.CodeOf(err) != mainstem.Denied {
					t.Errorf("a view: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestSilentServerGetsNoTransactions: a server that takes connections and says nothing
// is left alone, after as many tries as any that fails.
func TestSilentServerGetsNoTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []net.Conn
		db := dial(t, "http://silent", remote.Dial(func(context.Context, string, string) (net.Conn, error) {
			client, silent := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, silent) }() // until one of them closes
			mu.Lock()
			defer mu.Unlock()
			all = append(all, silent)
			return client, nil
		}))
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			for _, silent := range all {
				_ = silent.Close() // nobody waits for it
			}
		}()
		for i := range 2 * remote.BreakAfter {
			began := time.Now()
			_, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "i"}, Attempt: 1})
			wantCode(t, err, mainstem.Unavailable)
			if left := strings.Contains(err.Error(), "left alone"); left != (i >= remote.BreakAfter) || left && time.Since(began) > 0 {
				t.Errorf("try %d took %s: %v", i+1, time.Since(began), err)
			}
		}
	})
}

// TestNoToken: where there is no token, nothing is sent, and every call says why.
func TestNoToken(t *testing.T) {
	gate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked", r.URL.Path)
		w.WriteHeader(http.StatusForbidden)
	}))
	gate.Config.Protocols = new(http.Protocols)
	gate.Config.Protocols.SetUnencryptedHTTP2(true)
	gate.Start()
	t.Cleanup(gate.Close)
	away := errors.New("the file cannot be read")
	db := dial(t, gate.URL, remote.Bearer(func() (string, error) { return "", away }))
	ctx := within(t, 20*time.Second)
	for range 2 * remote.BreakAfter {
		var all []error
		_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g"})
		all = append(all, err)
		_, err = db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		all = append(all, err)
		_, err = db.Status(ctx)
		all = append(all, err)
		for _, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
			all = append(all, err)
		}
		for i, err := range all {
			if wantCode(t, err, mainstem.Denied); !strings.Contains(err.Error(), away.Error()) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	}
}

// TestClientsAreSpread: of many clients with one list of servers each server is preferred
// by some.
func TestClientsAreSpread(t *testing.T) {
	whole := mainstemtest.Open(t)
	one, other := mainstemtest.Serve(t, whole.Backend()), mainstemtest.Serve(t, whole.Backend())
	asked := map[string]int{}
	for range 64 {
		db, err := remote.Open(one + "," + other)
		if err != nil {
			t.Fatal(err)
		}
		status, err := db.Status(within(t, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		asked[status.Server]++
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if asked[one] == 0 || asked[other] == 0 {
		t.Errorf("of 64 clients: %v", asked)
	}
}

// TestStatusOfAnother: a server that takes connections and says nothing is passed over
// by who asks how the database is.
func TestStatusOfAnother(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	whole := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	db := dial(t, "http://"+silent.Addr().String()+","+whole, remote.Timeout(200*time.Millisecond))
	status, err := db.Status(within(t, 20*time.Second))
	if err != nil || status.Server != whole {
		t.Errorf("%+v, %v; want that of %s", status, err, whole)
	}
	alone := dial(t, "http://"+silent.Addr().String(), remote.Timeout(200*time.Millisecond))
	_, err = alone.Status(within(t, 20*time.Second))
	wantCode(t, err, mainstem.Unavailable)
}

// TestDamageIsLeft: a server that has found damage is passed over for one that has not.
func TestDamageIsLeft(t *testing.T) {
	whole := mainstemtest.Open(t)
	db := dial(t, mainstemtest.Serve(t, damaged{whole.Backend()})+","+mainstemtest.Serve(t, whole.Backend()))
	ctx := within(t, 20*time.Second)
	if _, err := db.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("k", []byte("v")); return nil }); err != nil {
		t.Errorf("a write: %v", err)
	}
	alone := dial(t, mainstemtest.Serve(t, damaged{whole.Backend()}))
	_, err := alone.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	wantCode(t, err, mainstem.Corrupt)
}

// damaged is a Backend that has found damage.
type damaged struct{ mainstem.Backend }

func (damaged) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	return nil, mainstem.Errorf(mainstem.Corrupt, "damage")
}

func (damaged) View(context.Context, mainstem.ViewRequest) (mainstem.Snapshot, error) {
	return nil, mainstem.Errorf(mainstem.Corrupt, "damage")
}

// TestDeniedOnTheWay: what stands before a server may deny a client without a word of
// Mainstem's. It is heard all the same, every time.
func TestDeniedOnTheWay(t *testing.T) {
	gate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	gate.Config.Protocols = new(http.Protocols)
	gate.Config.Protocols.SetUnencryptedHTTP2(true)
	gate.Start()
	t.Cleanup(gate.Close)
	db := dial(t, gate.URL)
	ctx := within(t, 20*time.Second)
	for range 2 * remote.BreakAfter {
		_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g"})
		wantCode(t, err, mainstem.Denied)
		for _, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
			wantCode(t, err, mainstem.Denied)
		}
		_, err = db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		wantCode(t, err, mainstem.Denied)
	}
}
