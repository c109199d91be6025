package mainstemtest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/model"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// put is one call: a Commit with nothing around it.
func put(ctx context.Context, b mainstem.Backend, id string) error {
	_, err := b.Commit(ctx, &mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Put{Name: "k"}},
	})
	return err
}

// TestStallHoldsEveryCall: while the network stalls nobody is answered, and
// afterwards everybody is.
func TestStallHoldsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := mainstemtest.NewFlaky(model.NewBackend(model.New(24 * time.Hour)))
		began := time.Now()
		net.Next(mainstemtest.Stall)
		answers := make(chan error)
		go func() { answers <- put(t.Context(), net, "first") }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		if err := put(short, net, "hasty"); mainstem.CodeOf(err) != mainstem.Undecided {
			t.Errorf("a call that does not wait for the end of it: %v", err)
		}
		go func() { answers <- put(t.Context(), net, "second") }()
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 2*time.Millisecond {
			t.Errorf("the network stalled for %s", took)
		}
		if err := put(t.Context(), net, "third"); err != nil || time.Since(began) != 2*time.Millisecond {
			t.Errorf("afterwards: %v, %s after the beginning", err, time.Since(began))
		}
	})
}

// TestBreakCutsOff: on command one call is lost, and every feed that runs.
func TestBreakCutsOff(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		net := mainstemtest.NewFlaky(b)
		ended := follow(t, net)
		net.Next(mainstemtest.Break)
		if err := put(t.Context(), net, "broken"); mainstem.CodeOf(err) != mainstem.Undecided {
			t.Errorf("the call: %v, want undecided", err)
		}
		if err := <-ended; mainstem.CodeOf(err) != mainstem.Unavailable {
			t.Errorf("the feed ended with %v, want unavailable", err)
		}
		if err := put(t.Context(), net, "next"); err != nil {
			t.Errorf("the next call: %v", err)
		}
		if n := committed(t, net, "broken"); n != 0 {
			t.Errorf("the call that was cut off was run %d times", n)
		}
	})
}

// follow reads the feed until it ends, and returns when it has begun.
func follow(t *testing.T, b mainstem.Backend) (ended chan error) {
	t.Helper()
	if err := put(t.Context(), b, "followed"); err != nil {
		t.Fatal(err)
	}
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		for _, err := range b.Changes(t.Context(), mainstem.From{}) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case begun <- struct{}{}:
			default:
			}
		}
		ended <- nil
	}()
	<-begun
	return ended
}

// stormy puts under new IDs in a storm until it breaks the network off, and
// says how many calls before that found it cut off.
func stormy(t *testing.T, net *mainstemtest.Flaky, next *int) (found int) {
	t.Helper()
	const most = 10_000
	last := *next + most
	for before := net.Count(mainstemtest.Break); net.Count(mainstemtest.Break) == before; {
		if *next == last {
			t.Fatalf("no break in %d calls", most)
		}
		if cutOff(t, net, next) {
			found++
		}
	}
	return found
}

func cutOff(t *testing.T, net *mainstemtest.Flaky, next *int) bool {
	t.Helper()
	*next++
	err := put(t.Context(), net, name(*next))
	return err != nil && strings.Contains(err.Error(), "cut off")
}

// TestStormBreaksOff: in a storm the network is cut off for up to eight calls,
// and feeds end; it is whole again by itself, by Heal, or when it is calm.
func TestStormBreaksOff(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		net, next := mainstemtest.NewFlaky(b), 0
		ended := follow(t, net)
		net.Storm(7, 0.2)
		stormy(t, net, &next)
		if err := <-ended; mainstem.CodeOf(err) != mainstem.Unavailable {
			t.Errorf("the feed ended with %v, want unavailable", err)
		}
		most := 0
		for range 40 {
			most = max(most, stormy(t, net, &next))
		}
		if most != 7 {
			t.Errorf("up to %d calls after the first found the network cut off, want 7", most)
		}
		for range 20 {
			stormy(t, net, &next)
			net.Heal()
			if cutOff(t, net, &next) {
				t.Fatal("healed, and still cut off")
			}
		}
		for seed := range uint64(20) {
			net.Storm(seed, 0.2)
			stormy(t, net, &next)
			net.Storm(0, 0)
			if cutOff(t, net, &next) {
				t.Fatal("calm, and still cut off")
			}
		}
		net.Cut()
		net.Storm(0, 0)
		if !cutOff(t, net, &next) {
			t.Error("the end of a storm has ended a Cut")
		}
	})
}
