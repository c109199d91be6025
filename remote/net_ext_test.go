package remote_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
)

// seedOf is MAINSTEM_SEED, or a new one; it is printed either way.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("MAINSTEM_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d; MAINSTEM_SEED repeats it", seed)
	return seed
}

// fault is what a network does to every connection; what lasts, lasts a moment.
type fault struct {
	name string
	do   func(p *proxy.Proxy, r *rand.Rand)
}

var faults = []fault{
	{"break", func(p *proxy.Proxy, _ *rand.Rand) { p.Break() }},
	{"reset", func(p *proxy.Proxy, _ *rand.Rand) { p.Reset() }},
	{"cut to the server", func(p *proxy.Proxy, r *rand.Rand) { p.CutAfter(proxy.ToServer, 1+r.IntN(200)) }},
	{"cut to the client", func(p *proxy.Proxy, r *rand.Rand) { p.CutAfter(proxy.ToClient, 1+r.IntN(200)) }},
	{"slow", func(p *proxy.Proxy, r *rand.Rand) {
		p.Slow(1+r.IntN(64), time.Millisecond)
		time.AfterFunc(time.Duration(r.IntN(50))*time.Millisecond, func() { p.Slow(0, 0) })
	}},
	{"pause", func(p *proxy.Proxy, r *rand.Rand) {
		p.Pause()
		time.AfterFunc(time.Duration(r.IntN(20))*time.Millisecond, p.Resume)
	}},
}

// weather is a network that does a fault with every so many calls over it.
type weather struct {
	proxy *proxy.Proxy
	every int

	mu    sync.Mutex
	rng   *rand.Rand
	calls int
	done  int
}

func (w *weather) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls++; w.calls%w.every == 0 {
		w.done++
		faults[w.rng.IntN(len(faults))].do(w.proxy, w.rng)
	}
}

// patient is a Backend over that network that repeats what was not done for sure.
type patient struct {
	mainstem.Backend
	*weather
}

func (p patient) Commit(ctx context.Context, t *mainstem.Transaction) (r *mainstem.Receipt, err error) {
	p.call()
	repeat(ctx, func() error { r, err = p.Backend.Commit(ctx, t); return err })
	return r, err
}

func (p patient) View(ctx context.Context, r mainstem.ViewRequest) (s mainstem.Snapshot, err error) {
	p.call()
	repeat(ctx, func() error { s, err = p.Backend.View(ctx, r); return err })
	return s, err
}

// repeat does something, and after a pause again for as long as it is Unavailable.
func repeat(ctx context.Context, do func() error) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for mainstem.CodeOf(do()) == mainstem.Unavailable {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// TestHistoriesAreLinearizable: whatever the network does, what clients were told of a
// few keys has an order in which each answer is right (Herlihy and Wing, 1990).
func TestHistoriesAreLinearizable(t *testing.T) {
	seed := seedOf(t)
	behind := mainstemtest.Open(t)
	address := mainstemtest.Serve(t, behind.Backend())
	p := before(t, address)
	db := dial(t, "http://"+p.Addr(), remote.Timeout(100*time.Millisecond))
	bad := &weather{proxy: p, every: 10, rng: sim.Rand(seed)}
	history := sim.Keys(within(t, 60*time.Second), mainstem.New(patient{db.Backend(), bad}), seed, 5, 60)
	undecided := 0
	for _, op := range history {
		if op.Undecided {
			undecided++
		}
	}
	t.Logf("%d operations, %d undecided, %d faults", len(history), undecided, bad.done)
	if undecided > len(history)*3/4 || undecided == 0 {
		t.Error("it was too bad to judge it, or not bad at all")
	}
	if verdict, why := check.Linearizable(history, 20*time.Second); verdict != check.Yes {
		t.Errorf("%s: %s", verdict, why)
	}
}

// TestOwnIDsOutliveEveryFault: an ID that is repeated until it is answered has run
// once, and a repetition gives the first receipt, after each fault alone.
func TestOwnIDsOutliveEveryFault(t *testing.T) {
	seed := seedOf(t)
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			r := sim.Rand(seed + uint64(i))
			behind := mainstemtest.Open(t)
			p := before(t, mainstemtest.Serve(t, behind.Backend()))
			db := dial(t, "http://"+p.Addr(), remote.Timeout(100*time.Millisecond))
			ctx := within(t, 20*time.Second)
			const each = 12
			first := map[string]*mainstem.Receipt{}
			for n := range each {
				id := fmt.Sprint(n)
				f.do(p, r)
				first[id] = stubborn(ctx, t, db, id)
			}
			for id, want := range first {
				again := stubborn(ctx, t, db, id)
				if !again.Replayed || again.Position != want.Position {
					t.Errorf("%s was at %v, and its repetition is %+v", id, want.Position, again)
				}
			}
			if n := count(t, behind.DB, "g"); n != each {
				t.Errorf("%d are counted, %d were acknowledged", n, each)
			}
		})
	}
}

// stubborn repeats until there is an answer.
func stubborn(ctx context.Context, t *testing.T, db *remote.DB, id string) *mainstem.Receipt {
	t.Helper()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		receipt, err := add(ctx, db.DB, "g", id)
		switch {
		case err == nil:
			return receipt
		case !mainstem.CodeOf(err).Retryable() || ctx.Err() != nil:
			t.Fatal(err)
		}
		<-pause.C
	}
}

// TestFeedsMissNothing: a feed over a bad network, resumed after the token of its last
// batch whenever it ends, has each change once and in order.
func TestFeedsMissNothing(t *testing.T) {
	seed := seedOf(t)
	behind := mainstemtest.Open(t)
	p := before(t, mainstemtest.Serve(t, behind.Backend()))
	db := dial(t, "http://"+p.Addr())
	ctx := within(t, 60*time.Second)
	const changes = 400
	var writer sync.WaitGroup
	ahead := make(chan struct{}, 10) // or everything is on its way before the first fault
	writer.Go(func() {
		for i := range changes {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if _, err := add(ctx, behind.DB, "g", fmt.Sprint(i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	bad := &weather{proxy: p, every: 25, rng: sim.Rand(seed)}
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	last, breaks := mainstem.Position(0), 0
	from := mainstem.From{Max: 3}
	for last < changes && ctx.Err() == nil {
		for batch, err := range db.Changes(ctx, from) {
			if err != nil {
				wantCode(t, err, mainstem.Unavailable)
				breaks++
				<-pause.C
				break
			}
			for _, c := range batch.Changes {
				if c.Position != last+1 {
					t.Fatalf("after position %d came %d", last, c.Position)
				}
				last = c.Position
				<-ahead
			}
			if from.After = batch.Token; last >= changes {
				break
			}
			bad.call()
		}
	}
	writer.Wait()
	t.Logf("%d changes, %d breaks, %d faults", last, breaks, bad.done)
	if last != changes || breaks == 0 {
		t.Errorf("%d of %d changes, %d breaks", last, changes, breaks)
	}
}

// TestViewsEndWithTheirNetwork: a question to a view whose connection is cut in the
// middle of the answer, reset or paused is Unavailable or Cancelled in time, and
// another view is at hand.
func TestViewsEndWithTheirNetwork(t *testing.T) {
	for _, f := range faults[:4] {
		t.Run(f.name, func(t *testing.T) {
			behind := mainstemtest.Open(t)
			p := before(t, mainstemtest.Serve(t, behind.Backend()))
			db := dial(t, "http://"+p.Addr(), remote.Timeout(2*time.Second))
			ctx := within(t, 20*time.Second)
			if _, err := add(ctx, behind.DB, "g", "a"); err != nil {
				t.Fatal(err)
			}
			view, err := db.Group("g").View(ctx, mainstem.Latest())
			if err != nil {
				t.Fatal(err)
			}
			defer view.Close()
			f.do(p, sim.Rand(1))
			for err == nil { // a cut may let a few answers through
				_, err = view.Get(ctx, "n")
			}
			wantCode(t, err, mainstem.Unavailable)
			if n := count(t, db.DB, "g"); n != 1 {
				t.Errorf("%d are counted", n)
			}
		})
	}
}

// TestPausedServer: a server that stops for a while without a word leaves a commit
// undecided, a read unavailable, and everybody goes on when it does; nothing is
// lost or doubled. While it stands still another server answers reads.
func TestPausedServer(t *testing.T) {
	behind := mainstemtest.Open(t)
	p := before(t, mainstemtest.Serve(t, behind.Backend()))
	alone := dial(t, "http://"+p.Addr(), remote.Timeout(200*time.Millisecond))
	both := dial(t, "http://"+p.Addr()+","+mainstemtest.Serve(t, behind.Backend()), remote.Hedge(5*time.Millisecond))
	ctx := within(t, 30*time.Second)
	for _, db := range []*remote.DB{alone, both} {
		if _, err := add(ctx, db.DB, "g", "first"); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(ctx context.Context) (*mainstem.Receipt, error) {
		return alone.Backend().Commit(ctx, &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: "paused"}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Add{Name: "n", Delta: 1}},
		})
	}
	p.Pause()
	_, err := commit(ctx)
	wantCode(t, err, mainstem.Undecided)
	_, err = alone.Get(ctx, "g", "n", mainstem.Latest())
	wantCode(t, err, mainstem.Unavailable)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = alone.Get(short, "g", "n", mainstem.Latest())
	wantCode(t, err, mainstem.Cancelled) // by the caller
	began := time.Now()
	if n := count(t, both.DB, "g"); n != 1 {
		t.Errorf("another server counts %d", n)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("another server took %s", took)
	}
	p.Resume()
	for {
		r, err := commit(ctx)
		if err == nil {
			t.Logf("after the pause it was replayed: %t", r.Replayed)
			break
		}
		if !mainstem.CodeOf(err).Retryable() || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, alone.DB, "g"); n != 2 {
		t.Errorf("after the pause %d are counted", n)
	}
}
