package disk

import (
	"path"
	"sync"
	"syscall"
	"time"
)

// Op is a kind of file operation. Kinds combine: OpWrite|OpSync.
type Op uint16

// The kinds of operation that Faults counts.
const (
	OpOpen   Op = 1 << iota // Open, OpenReadWrite of what exists, OpenDir, Stat, List, Lock
	OpCreate                // Create, MkdirAll, Link, and the reservation of space
	OpRead
	OpWrite
	OpSync // Sync, SyncData, SyncTo, of files and directories
	OpRename
	OpRemove
	OpClose
	OpAny Op = 1<<iota - 1
)

// String names a single kind.
func (o Op) String() string {
	names := map[Op]string{
		OpOpen: "open", OpCreate: "create", OpRead: "read", OpWrite: "write",
		OpSync: "sync", OpRename: "rename", OpRemove: "remove", OpClose: "close",
	}
	if name, ok := names[o]; ok {
		return name
	}
	return "several"
}

// Errors that a disk gives.
var (
	ErrIO   error = syscall.EIO
	ErrFull error = syscall.ENOSPC
)

// Fault is one thing that goes wrong. The zero values of At, Kind and Path
// match everything.
type Fault struct {
	// At is the number of the operation it strikes, counted from 1 over all
	// kinds since the Faults was made.
	At int64
	// Kind limits it to some kinds of operation.
	Kind Op
	// Path limits it to files whose last element matches, as in path.Match.
	Path string
	// Stays is true for a fault that strikes every match from then on (from
	// At on, if that is set), not only the first.
	Stays bool

	// Err is what the operation returns.
	Err error
	// Torn is how many bytes of a failing write reach the file all the same.
	Torn int
	// Swallow makes a sync report success without doing anything: a disk that
	// lies.
	Swallow bool
	// Forget makes a sync that fails with Err leave the unsynced bytes clean
	// and unwritten, as Linux does. The file must be a Power's.
	Forget bool
	// Delay is how long the operation takes in addition.
	Delay time.Duration
	// Hang, if set, holds the operation until the channel is closed. Struck,
	// if set, receives a value (without waiting) when the operation arrives.
	Hang   <-chan struct{}
	Struck chan<- struct{}
}

// Event is one operation, as a Faults saw it.
type Event struct {
	Number int64
	Kind   Op
	Path   string
}

// Faults is a disk that fails on command. It passes everything to another FS,
// counts the operations, and makes those fail that a Fault matches.
type Faults struct {
	FS

	mu      sync.Mutex
	faults  []*Fault
	seen    int64
	errs    int64
	watcher func(Event)
	handles map[*faultyFile]bool // open ones: a rename changes their names
}

// NewFaults returns a Faults over fs, with no fault yet.
func NewFaults(fs FS) *Faults { return &Faults{FS: fs, handles: map[*faultyFile]bool{}} }

// Inject adds a fault.
func (f *Faults) Inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &fault)
}

// Heal takes all faults away. What hangs goes on hanging.
func (f *Faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Watch calls fn before every operation, in the goroutine that does it.
func (f *Faults) Watch(fn func(Event)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watcher = fn
}

// Seen is the number of operations so far.
func (f *Faults) Seen() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// Injected is the number of errors that were injected so far: a test compares
// it with the errors that came out at the top.
func (f *Faults) Injected() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errs
}

// Unwrap implements FS.
func (f *Faults) Unwrap() FS { return f.FS }

// strike counts an operation and returns the fault that hits it, or nil.
func (f *Faults) strike(kind Op, name string) *Fault {
	f.mu.Lock()
	f.seen++
	event, watcher := Event{f.seen, kind, name}, f.watcher
	var hit *Fault
	for i, fault := range f.faults {
		if !fault.matches(event, f.FS.PathBase(name)) {
			continue
		}
		hit = fault
		if !fault.Stays {
			f.faults = append(f.faults[:i:i], f.faults[i+1:]...)
		}
		if fault.Err != nil {
			f.errs++
		}
		break
	}
	f.mu.Unlock()
	if watcher != nil {
		watcher(event)
	}
	if hit != nil {
		hit.hold()
	}
	return hit
}

func (t *Fault) matches(e Event, base string) bool {
	if t.At != 0 && e.Number != t.At && (!t.Stays || e.Number < t.At) {
		return false
	}
	if t.Kind != 0 && t.Kind&e.Kind == 0 {
		return false
	}
	if t.Path == "" {
		return true
	}
	ok, err := path.Match(t.Path, base)
	return ok && err == nil
}

// hold takes the time that the fault says.
func (t *Fault) hold() {
	if t.Struck != nil {
		select {
		case t.Struck <- struct{}{}:
		default:
		}
	}
	if t.Delay > 0 {
		<-time.After(t.Delay)
	}
	if t.Hang != nil {
		<-t.Hang
	}
}

// check is strike for operations that either fail or happen.
func (f *Faults) check(kind Op, name string) error {
	if hit := f.strike(kind, name); hit != nil {
		return hit.Err
	}
	return nil
}
