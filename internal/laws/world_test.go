//go:build breaklaw

package laws

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/engine/memory"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// world is a database on one engine, whose log passes through our hands.
type world struct {
	t      *testing.T
	engine string
	clock  *mainstemtest.Clock
	db     *mainstem.DB
	node   *node.Node
	hands  *hands
	fs     disk.FS // of the log
	opened int
}

// hands is a log that holds appends back, and alters what is read, on command.
type hands struct {
	journal.Log
	mu      sync.Mutex
	hold    chan struct{} // appends wait for it, if set
	outcome error         // and then end so, without being written, if set
	alter   func(journal.Entry) *journal.Entry
}

func (h *hands) Append(ctx context.Context, after journal.Head, b []byte) (journal.Head, error) {
	h.mu.Lock()
	hold, outcome := h.hold, h.outcome
	h.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if outcome != nil {
		return journal.Head{}, outcome
	}
	return h.Log.Append(ctx, after, b)
}

func (h *hands) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for entry, err := range h.Log.Read(ctx, from) {
			h.mu.Lock()
			alter := h.alter
			h.mu.Unlock()
			if err == nil && alter != nil {
				altered := alter(entry)
				if altered == nil {
					continue
				}
				entry = *altered
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// holdAppends makes appends wait until the returned function is called, and
// end with outcome if it is not nil.
func (h *hands) holdAppends(outcome error) (release func()) {
	hold := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hold, h.outcome = hold, outcome
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.hold = nil
		close(hold)
	}
}

func newWorld(t *testing.T, engine string) (*world, error) {
	w := &world{t: t, engine: engine, clock: mainstemtest.NewClock(), fs: disk.NewMem()}
	log, err := w.newLog()
	if err != nil {
		return nil, err
	}
	return w, w.open(log, nil)
}

// newLog is an empty log of the world's engine.
func (w *world) newLog() (journal.Log, error) {
	if w.engine == "memory" {
		return memory.New(), nil
	}
	w.opened++
	return file.Open(context.Background(), file.Config{FS: w.fs, Dir: fmt.Sprint("log-", w.opened), SegmentSize: 1 << 20})
}

// open opens a node on a log, with a new, empty state.
func (w *world) open(log journal.Log, refine func(*node.Config)) error {
	w.hands = &hands{Log: log}
	cfg := node.Config{
		Memory: node.MinMemory, Partitions: 1, IDAge: new(24 * time.Hour), Clock: w.clock, Logger: slog.New(slog.DiscardHandler),
		Database: record.UUID{1}, Incarnation: 1,
		Parts: []node.Part{{Log: w.hands, FS: disk.NewMem(), Dir: "part"}},
	}
	if refine != nil {
		refine(&cfg)
	}
	n, err := node.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	w.node, w.db = n, mainstem.New(n)
	return nil
}

// copyLog is a new log with the first most records of the present one; alter
// may change or drop some.
func (w *world) copyLog(most int, alter func(journal.Entry) *journal.Entry) (journal.Log, error) {
	log, err := w.newLog()
	if err != nil {
		return nil, err
	}
	var head journal.Head
	for entry, err := range w.hands.Log.Read(context.Background(), 1) {
		if err != nil {
			return nil, err
		}
		if entry.Slot > uint64(most) {
			break
		}
		if alter != nil {
			altered := alter(entry)
			if altered == nil {
				continue
			}
			entry = *altered
		}
		if head, err = log.Append(context.Background(), head, entry.Record); err != nil {
			return nil, err
		}
	}
	return log, nil
}

// reopen closes the node and opens another on a copy of its log.
func (w *world) reopen(refine func(*node.Config)) error {
	log, err := w.copyLog(1<<30, nil)
	if err != nil {
		return err
	}
	if err := w.node.Close(); err != nil {
		return err
	}
	return w.open(log, refine)
}

func (w *world) close() {
	if w.node != nil {
		_ = w.node.Close() // a database whose law is broken may well have stopped
	}
}

// send commits one transaction of group g.
func (w *world) send(id string, t mainstem.Transaction) (*mainstem.Receipt, error) {
	t.Group, t.ID = "g", mainstem.ID{Opaque: id}
	return w.db.Backend().Commit(context.Background(), &t)
}

// do is send of operations only.
func (w *world) do(id string, operations ...mainstem.Operation) (*mainstem.Receipt, error) {
	return w.send(id, mainstem.Transaction{Operations: operations})
}

func put(name, value string) mainstem.Put {
	return mainstem.Put{Name: name, Value: mainstem.Bytes([]byte(value))}
}

// value is what a key of group g holds now.
func (w *world) value(name string) string {
	v, err := w.db.Get(context.Background(), "g", name, mainstem.Latest())
	if err != nil {
		return err.Error()
	}
	return v.Value.String()
}

// want is an error unless err has the code.
func want(law, what string, err error, code mainstem.Code) error {
	if mainstem.CodeOf(err) == code {
		return nil
	}
	return fmt.Errorf("%s ended with %w, want code %s (%s)", what, orNil(err), code, law)
}

var errNone = errors.New("no error")

func orNil(err error) error {
	if err == nil {
		return errNone
	}
	return err
}
