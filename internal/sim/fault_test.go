package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// sweeps are the errors that are injected, each at every operation it can strike.
var sweeps = []struct {
	name  string
	kinds disk.Op
	err   error
	torn  int // bytes of a failing write that arrive all the same
}{
	{"input/output error", disk.OpRead | disk.OpWrite | disk.OpSync | disk.OpRename, disk.ErrIO, 0},
	{"torn write", disk.OpWrite, disk.ErrIO, 100},
	{"disk full", disk.OpWrite | disk.OpCreate, disk.ErrFull, 0},
}

// TestEveryErrorSurfaces injects one error at every file operation of a
// workload of 300 transactions: each comes out at the top as a typed error, and
// the database opens again, in the same process, as sound as before.
func TestEveryErrorSurfaces(t *testing.T) {
	list := newScript(commitsOf(Generate(Rand(7), 2400), groups[0], 300), groups[0])
	for _, s := range sweeps {
		t.Run(s.name, func(t *testing.T) {
			var targets []disk.Event
			w := faulty(list)
			w.faults.Watch(func(e disk.Event) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if e.Kind&s.kinds != 0 {
					targets = append(targets, e)
				}
			})
			if err := w.run(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			asked := Scaled(t, len(targets))
			injected, surfaced := 0, 0
			for i := range asked {
				at := targets[i*len(targets)/asked]
				w, came, err := inject(t.Context(), list, disk.Fault{At: at.Number, Err: s.err, Torn: s.torn})
				if err != nil {
					t.Fatalf("%s at %s %d (%s): %v", s.name, at.Kind, at.Number, at.Path, err)
				}
				injected += int(w.faults.Injected())
				if came != nil {
					surfaced++
				} else if w.faults.Injected() > 0 {
					t.Errorf("%s at %s %d (%s) came out nowhere", s.name, at.Kind, at.Number, at.Path)
				}
			}
			t.Logf("%s: rounds run / rounds asked: %d / %d, of %d operations; injected %d, surfaced %d", s.name, asked, asked, len(targets), injected, surfaced)
		})
	}
}

// faulty is a world with one client.
func faulty(list *script) *world {
	w := newWorld(0)
	w.faults.Watch(nil)
	w.clients = w.clients[:1]
	w.clients[0].script = list
	return w
}

// inject runs the workload on a disk with one fault, reopens, and judges what
// is there. came is the error that came out; err is what is wrong.
func inject(ctx context.Context, list *script, f disk.Fault) (w *world, came, err error) {
	w = faulty(list)
	w.faults.Inject(f)
	c := w.clients[0]
	db, openErr := openOn(ctx, w.faults)
	if openErr == nil {
		workErr := c.work(ctx, db.DB, len(list.list)/2)
		if workErr == nil {
			came = errors.Join(db.Close(), db.Err())
			if db, openErr = openOn(ctx, w.faults); openErr == nil {
				workErr = c.work(ctx, db.DB, len(list.list))
			}
		}
		if workErr != nil && mainstem.CodeOf(workErr) == 0 {
			return w, nil, workErr
		}
		came = errors.Join(came, workErr)
		if openErr == nil {
			came = errors.Join(came, db.Close(), db.Err())
		}
	}
	came = errors.Join(came, openErr)
	if came != nil && mainstem.CodeOf(came) == 0 {
		return w, came, fmt.Errorf("it came out without a code: %w", came)
	}
	w.faults.Heal()
	db, err = openOn(ctx, w.faults)
	if err != nil {
		return w, came, fmt.Errorf("after %w the database does not open: %w", came, err)
	}
	if c.product != nil {
		wrong := c.judge(ctx, db.DB, int(c.acked.Load()), int(c.begun.Load()))
		wrong = append(wrong, feedWrongs(ctx, db.DB)...)
		if len(wrong) > 0 {
			err = fmt.Errorf("after %w:\n%s", came, strings.Join(wrong, "\n"))
		}
	}
	return w, came, errors.Join(err, db.Close())
}
