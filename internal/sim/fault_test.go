package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// sweeps are the errors that are injected, each at every operation it can strike.
var sweeps = []struct {
	name  string
	kinds disk.Op
	err   error
	torn  int  // bytes of a failing write that arrive all the same
	stays bool // from there on, until the disk is healed
}{
	{"input-output error", disk.OpRead | disk.OpWrite | disk.OpSync | disk.OpRename, disk.ErrIO, 0, false},
	{"torn write", disk.OpWrite, disk.ErrIO, 100, false},
	{"full disk", disk.OpWrite | disk.OpCreate, disk.ErrFull, 0, true},
}

// hanging is how long an error may take to come out.
const hanging = 15 * time.Second

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
			struck, surfaced, absorbed := 0, 0, 0
			for i := range asked {
				at := targets[i*len(targets)/asked]
				done := make(chan struct{})
				var o outcome
				go func() {
					defer close(done)
					o = inject(t.Context(), list, disk.Fault{At: at.Number, Kind: s.kinds, Err: s.err, Torn: s.torn, Stays: s.stays})
				}()
				select {
				case <-done:
				case <-time.After(hanging):
					t.Fatalf("%s at %s %d (%s): nothing came out in %s: it hangs", s.name, at.Kind, at.Number, at.Path, hanging)
				}
				if o.wrong != nil {
					t.Errorf("%s at %s %d (%s): %v", s.name, at.Kind, at.Number, at.Path, o.wrong)
				}
				struck += min(1, o.injected)
				if o.came != nil {
					surfaced++
				} else if o.injected > 0 && at.Kind == disk.OpRead && strings.HasSuffix(at.Path, ".sst") {
					absorbed++ // by a job in the background that gathers statistics: it told nobody anything
				} else if o.injected > 0 {
					t.Errorf("%s at %s %d (%s) came out nowhere", s.name, at.Kind, at.Number, at.Path)
				}
			}
			t.Logf("%s: rounds run / rounds asked: %d / %d, of %d operations; struck %d, surfaced %d, absorbed %d", s.name, asked, asked, len(targets), struck, surfaced, absorbed)
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

// outcome is what one injected error led to.
type outcome struct {
	injected int
	came     error // what came out at the top
	wrong    error // what must not be
}

// inject runs the workload on a disk with one fault, reopens, and judges what
// is there.
func inject(ctx context.Context, list *script, f disk.Fault) (o outcome) {
	w := faulty(list)
	w.faults.Inject(f)
	c := w.clients[0]
	half := len(list.list) / 2
	for _, to := range []int{half, len(list.list)} {
		if o.came = errors.Join(o.came, part(ctx, w.faults, c, to)); uncertain(o.came) {
			break
		}
	}
	o.injected = int(w.faults.Injected())
	if o.came != nil && mainstem.CodeOf(o.came) == 0 {
		o.wrong = fmt.Errorf("without a code: %w", o.came)
		return o
	}
	w.faults.Heal()
	db, err := openOn(ctx, w.faults)
	if err != nil {
		o.wrong = fmt.Errorf("after %w the database does not open: %w", o.came, err)
		return o
	}
	wrong := feedWrongs(ctx, db.DB)
	wrong = append(wrong, c.judge(ctx, db.DB, int(c.acked.Load()), int(c.begun.Load()))...)
	if err := db.Close(); err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		o.wrong = fmt.Errorf("after %v:\n%s", o.came, strings.Join(wrong, "\n"))
	}
	return o
}

// part opens the database, lets the client work up to an operation, and closes it.
func part(ctx context.Context, fs disk.FS, c *client, to int) error {
	db, err := openOn(ctx, fs)
	if err != nil {
		return err
	}
	return errors.Join(c.work(ctx, db.DB, to), db.Close(), db.Err())
}
