package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
)

// Lists runs clients that append to and read a few streams of one group in
// concurrent transactions, and returns what they saw. With raw the conditions
// are made by hand from a view; otherwise Do makes them.
func Lists(ctx context.Context, db *mainstem.DB, seed uint64, clients, each int, raw bool) []check.Transaction {
	h := &histories{began: time.Now()}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			r := Rand(seed + uint64(c)<<40)
			for i := range each {
				h.list(ctx, db, r, fmt.Sprintf("T%d.%d", c, i), 1+c*each+i, raw)
			}
		})
	}
	all.Wait()
	h.list(ctx, db, nil, "last", 0, false)
	return h.txs
}

// histories collects what clients saw.
type histories struct {
	began time.Time
	mu    sync.Mutex
	txs   []check.Transaction
	ops   []check.KeyOp
}

func (h *histories) now() int64 { return int64(time.Since(h.began)) + 1 }

const lists = 4

// list runs one transaction: a few reads and appends; without chance, a read of all.
func (h *histories) list(ctx context.Context, db *mainstem.DB, r *rand.Rand, id string, element int, raw bool) {
	var plan []check.Step
	for l := range lists {
		switch name := "l" + strconv.Itoa(l); {
		case r == nil || r.IntN(3) == 0:
			plan = append(plan, check.Read(name))
		case r.IntN(3) == 0:
			plan = append(plan, check.Append(name, element))
		}
	}
	if r != nil {
		r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	}
	tx := check.Transaction{Name: id, Start: h.now()}
	var err error
	if raw {
		tx.Steps, err = byHand(ctx, db, id, plan)
	} else {
		_, err = db.Group("g").Do(ctx, id, func(t *mainstem.Txn) (err error) {
			tx.Steps, err = steps(ctx, t, plan, func(list string, e mainstem.Event) { t.Append(list, e) })
			return err
		})
	}
	switch mainstem.CodeOf(err) {
	case 0:
	case mainstem.Undecided:
		tx.Outcome = check.Undecided
	default:
		tx.Outcome = check.Aborted
	}
	tx.End = h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.txs = append(h.txs, tx)
}

// steps does what the plan says through a reader.
func steps(ctx context.Context, from mainstem.Reader, plan []check.Step, add func(string, mainstem.Event)) ([]check.Step, error) {
	var done []check.Step
	for _, s := range plan {
		if s.Element != 0 {
			add(s.List, mainstem.Event{Type: "element", Data: []byte(strconv.Itoa(s.Element))})
			done = append(done, s)
			continue
		}
		seen := check.Read(s.List)
		for e, err := range from.Events(ctx, s.List, 0) {
			if err != nil {
				return nil, err
			}
			n, err := strconv.Atoi(string(e.Data))
			if err != nil {
				return nil, err
			}
			seen.Read = append(seen.Read, n)
		}
		done = append(done, seen)
	}
	return done, nil
}

// byHand reads from a view, and makes a condition of the length of what it read.
func byHand(ctx context.Context, db *mainstem.DB, id string, plan []check.Step) ([]check.Step, error) {
	v, err := db.Group("g").View(ctx, mainstem.Latest())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	t := &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1}
	// A view does not show what the transaction is about to append: read first.
	var reads, appends []check.Step
	for _, s := range plan {
		if s.Element == 0 {
			reads = append(reads, s)
		} else {
			appends = append(appends, s)
		}
	}
	done, err := steps(ctx, v, append(reads, appends...), func(list string, e mainstem.Event) {
		t.Operations = append(t.Operations, mainstem.Append{Stream: list, Events: []mainstem.Event{e}})
	})
	for _, s := range done {
		if s.Element == 0 {
			t.Conditions = append(t.Conditions, mainstem.StreamLength{Stream: s.List, Length: uint64(len(s.Read))})
		}
	}
	if err == nil {
		_, err = db.Backend().Commit(ctx, t)
	}
	return done, err
}
