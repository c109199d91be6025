package peer

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/node"
)

var mainstemPeer = Peer{
	Name:  "mainstem",
	Ours:  true,
	Kinds: []Kind{CAS, Add, Append, Get},
	Open: func(ctx context.Context, c Config) (System, error) {
		s, err := OpenMainstem(ctx, c)
		if err != nil {
			return nil, err
		}
		return s, s.setCounter(ctx)
	},
}

// Mainstem is Mainstem, embedded, through its public door.
type Mainstem struct {
	// DB is the open database, for scenarios that only Mainstem has.
	DB *embedded.DB
	// Asked is the same, or a client of a server before it.
	Asked  *mainstem.DB
	config Config
	// run makes callers' IDs of this process differ from those before it.
	run  string
	next atomic.Uint64

	mu     sync.Mutex
	loaded map[int]uint64 // the position at which a group of keys was loaded, by its first key
}

// OpenMainstem opens Mainstem. One knob and what is given apart, everything is its default.
func OpenMainstem(ctx context.Context, c Config, more ...embedded.Option) (*Mainstem, error) {
	if c.Memory == 0 {
		c.Memory = embedded.DefaultMemory
	}
	db, err := embedded.Open(ctx, c.Dir, append(more, embedded.Memory(c.Memory))...)
	if err != nil {
		return nil, err
	}
	now, err := db.Group("bench").Now(ctx)
	if err != nil {
		return nil, err
	}
	return &Mainstem{DB: db, Asked: db.DB, config: c, run: strconv.FormatInt(int64(now), 36)}, nil
}

// setCounter gives the counter something to take from.
func (s *Mainstem) setCounter(ctx context.Context) error {
	_, err := s.DB.Group("counter").Do(ctx, "counter", func(tx *mainstem.Txn) error {
		tx.Set("stock", counterStart)
		return nil
	})
	return err
}

// Do runs one operation.
func (s *Mainstem) Do(ctx context.Context, op *Op) (uint64, error) {
	switch op.Kind {
	case CAS:
		group, name := place(op.Key)
		// A caller that never gives up, as are those of the other libraries.
		r, err := s.Asked.Group(group).Do(context.WithoutCancel(ctx), s.id(op.Client), func(tx *mainstem.Txn) error {
			if op.Version == 0 {
				tx.Require(mainstem.KeyAbsent{Name: name})
			} else {
				tx.Require(mainstem.KeyUnchanged{Name: name, Since: mainstem.Position(op.Version)})
			}
			tx.Put(name, op.Value)
			return nil
		})
		if err != nil {
			return 0, err
		}
		return uint64(r.Position), nil
	case Add:
		_, err := s.Asked.Group("counter").Do(ctx, s.id(op.Client), func(tx *mainstem.Txn) error {
			tx.Add("stock", -1, mainstem.Floor(0))
			return nil
		})
		return 0, err
	case Append:
		_, err := s.Asked.Group("client-"+digits(op.Client)).Do(ctx, s.id(op.Client), func(tx *mainstem.Txn) error {
			tx.Require(mainstem.StreamLength{Stream: "events", Length: op.Version})
			tx.Append("events", mainstem.Event{Type: "bench.v1", Data: op.Value})
			return nil
		})
		return op.Version + 1, err
	case Get:
		group, name := place(op.Key)
		v, err := s.Asked.Get(ctx, group, name, mainstem.Latest())
		if err != nil || !v.Exists {
			return 0, err
		}
		return uint64(v.Position), nil
	default:
		return 0, unsupported(op.Kind)
	}
}

// id is empty, so that the library makes one, or the caller's own.
func (s *Mainstem) id(client int) string {
	if !s.config.CallerIDs {
		return ""
	}
	return s.run + "-" + strconv.Itoa(client) + "-" + strconv.FormatUint(s.next.Add(1), 10)
}

func place(key int) (group, name string) {
	return "group-" + digits(key/keysPerGroup), "key-" + digits(key%keysPerGroup)
}

// Load writes a group of keys per transaction, many transactions at a time.
func (s *Mainstem) Load(ctx context.Context, from, to, size int) error {
	return inParallel(from, to, keysPerGroup, func(from, to int) error {
		group, _ := place(from)
		r, err := s.Asked.Group(group).Do(ctx, "", func(tx *mainstem.Txn) error {
			for key := from; key < to; key++ {
				_, name := place(key)
				tx.Put(name, valueOf(key, size))
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.loaded == nil {
			s.loaded = map[int]uint64{}
		}
		s.loaded[from] = uint64(r.Position)
		return nil
	})
}

// Loaded is the version of a key that Load has made.
func (s *Mainstem) Loaded(key int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded[key-key%keysPerGroup]
}

const (
	settleLook = 100 * time.Millisecond
	settleRest = 10              // looks without a change
	settleMost = 3 * time.Minute // then it is not waited for
	// settleDebt is the share of the state that may be left to merge: less than one
	// part in so many, or in bytes what tables at rest have.
	settleDebt, settleBytes = 8, 64 << 20
)

// Settle waits until the tables of the state are merged.
func (s *Mainstem) Settle(ctx context.Context) (said string, err error) {
	began, same, before := time.Now(), 0, node.StoreFigures{}
	for time.Since(began) < settleMost {
		now := s.DB.Figures().Partitions[0].Store
		if same++; now.Debt != before.Debt || now.Bytes != before.Bytes {
			same = 0
		}
		before = now
		if same >= settleRest && now.Debt < max(settleBytes, now.Bytes/settleDebt) {
			return "tables merged before", nil
		}
		select {
		case <-time.After(settleLook):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return "tables still merging after " + settleMost.String(), nil
}

// Settings are those that were given, and what the engine says of itself.
func (s *Mainstem) Settings() map[string]string {
	ids := "made by the library"
	if s.config.CallerIDs {
		ids = fmt.Sprintf("the caller's, kept %s, at most %d of a partition", embedded.DefaultIDAge, state.LimitIDs)
	}
	g := s.DB.Guarantees()
	return map[string]string{
		"memory": fmt.Sprintf("%d MiB", s.config.Memory>>20), "history": "default, 10 min", "ids": ids,
		"partitions": strconv.Itoa(max(1, s.config.Partitions)), "engine": g.Engine, "synced": strconv.FormatBool(g.Synced),
		"context": "of a cas never ends, as the other libraries have none",
	}
}

// IDs is how many of the callers' own IDs are remembered.
func (s *Mainstem) IDs() uint64 { return s.DB.Figures().Partitions[0].IDs }

// Close closes the database.
func (s *Mainstem) Close() error { return s.DB.Close() }
