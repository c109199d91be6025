package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a database on files that forget what was not synced, and that fail
// on command, with a clock that moves on command.
type world struct {
	t      *testing.T
	power  *disk.Power
	faults *disk.Faults
	clock  *mainstemtest.Clock
	opts   []embedded.Option
	db     *embedded.DB
	disk   disk.FS // of a world after a crash
}

const dir = "db"

// start opens an empty database. Options that come later win.
func start(t *testing.T, opts ...embedded.Option) *world {
	t.Helper()
	power, err := disk.NewPower(disk.NewMem(), disk.PowerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, power: power, faults: disk.NewFaults(power), clock: mainstemtest.NewClock()}
	w.opts = append([]embedded.Option{
		embedded.Memory(16 << 20), embedded.SegmentSize(1 << 20), embedded.OnDisk(w.faults), embedded.OnClock(w.clock),
	}, opts...)
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	if err := w.tryOpen(); err != nil {
		w.t.Fatalf("open: %v", err)
	}
}

func (w *world) tryOpen() (err error) {
	w.db, err = embedded.Open(context.Background(), dir, w.opts...)
	return err
}

// close closes the database, which must go well.
func (w *world) close() {
	w.t.Helper()
	if err := w.db.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
}

// end closes a database that has failed, in whatever way that ends.
func (w *world) end() { _ = w.db.Close() }

// crash is the same database after a power cut that kept none of what was not
// synced. The database before goes on, on its own disk.
func (w *world) crash() *world {
	w.t.Helper()
	fs, err := w.power.Crash(1, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	after := *w
	after.disk = fs
	after.opts = append(append([]embedded.Option(nil), w.opts...), embedded.OnDisk(fs))
	after.open()
	return &after
}

// send commits one transaction and never repeats it.
func (w *world) send(group, id string, operations ...any) (*mainstem.Receipt, error) {
	t := &mainstem.Transaction{Group: group, ID: mainstem.ID{Opaque: id}}
	for _, o := range operations {
		switch o := o.(type) {
		case mainstem.Condition:
			t.Conditions = append(t.Conditions, o)
		case mainstem.Operation:
			t.Operations = append(t.Operations, o)
		default:
			w.t.Fatalf("%T is neither a condition nor an operation", o)
		}
	}
	return w.db.Backend().Commit(w.t.Context(), t)
}

// must is send where nothing may go wrong.
func (w *world) must(group, id string, operations ...any) *mainstem.Receipt {
	w.t.Helper()
	r, err := w.send(group, id, operations...)
	if err != nil {
		w.t.Fatalf("transaction %s in %s: %v", id, group, err)
	}
	return r
}

func put(name, value string) mainstem.Put {
	return mainstem.Put{Name: name, Value: mainstem.Bytes([]byte(value))}
}

// value is what a key holds; "-" if it is not there.
func (w *world) value(group, name string) string {
	w.t.Helper()
	v, err := w.db.Get(context.Background(), group, name, mainstem.Latest())
	switch {
	case err != nil:
		return err.Error()
	case !v.Exists:
		return "-"
	}
	return v.Value.String()
}

func (w *world) wantValue(group, name, want string) {
	w.t.Helper()
	if got := w.value(group, name); got != want {
		w.t.Errorf("%s in %s is %q, want %q", name, group, got, want)
	}
}

// answer is how a transaction ended.
type answer struct {
	receipt *mainstem.Receipt
	err     error
}

// later sends without waiting.
func (w *world) later(group, id string, operations ...any) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		r, err := w.send(group, id, operations...)
		c <- answer{r, err}
	}()
	return c
}

// wantCode is an error of the test unless err has the code.
func wantCode(t *testing.T, what string, err error, code mainstem.Code) {
	t.Helper()
	if got := mainstem.CodeOf(err); got != code {
		t.Errorf("%s: %v, want code %s", what, err, code)
	}
}

// hang makes every sync wait until the returned function is called.
func (w *world) hang() (release func()) {
	hung := make(chan struct{})
	w.faults.Inject(disk.Fault{Kind: disk.OpSync, Hang: hung, Stays: true})
	return func() {
		w.faults.Heal()
		close(hung)
	}
}

// groupOf finds a group that lives in a partition.
func groupOf(partition, partitions int) string {
	for i := 0; ; i++ {
		group := fmt.Sprint("group-", i)
		if int(mainstem.SlotOf(group))*partitions/mainstem.Slots == partition {
			return group
		}
	}
}

// never is a duration that no test waits for, unless it fails.
const never = time.Minute
