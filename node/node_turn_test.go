package node_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// patiently sends from a caller that never gives up, and writes its record itself.
func (w *world) patiently(id string, operations ...mainstem.Operation) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		r, err := w.db.Backend().Commit(context.WithoutCancel(w.t.Context()), &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: id}, Operations: operations,
		})
		c <- answer{r, err}
	}()
	synctest.Wait()
	return c
}

// TestPatientCaller: while a caller writes its own record, others are judged on top
// of it and give up in time; closing waits for it; and how its append ends, it and
// those after it are told, and the database goes on or stops as ever.
func TestPatientCaller(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"others go on":        othersGoOn,
		"closing waits":       closingWaits,
		"a disk without room": noRoom,
		"a sync that fails":   syncFails,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

func othersGoOn(t *testing.T) {
	w := start(t)
	release := w.hang()
	flying := w.patiently("flying", put("flying", "x"))
	ctx, cancel := context.WithTimeout(t.Context(), never)
	defer cancel()
	_, err := w.db.Backend().Commit(ctx, &mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: "hurried"}, Operations: []mainstem.Operation{put("hurried", "x")},
	})
	wantCode(t, "whose time is over", err, mainstem.Undecided)
	next := w.patiently("next", put("flying", "y"))
	release()
	for _, c := range []<-chan answer{flying, next} {
		if a := <-c; a.err != nil {
			t.Error(a.err)
		}
	}
	w.wantValue("g", "flying", "y")
	w.wantValue("g", "hurried", "x")
	w.close()
}

func closingWaits(t *testing.T) {
	w := start(t)
	hung := make(chan struct{})
	w.faults.Inject(disk.Fault{Kind: disk.OpSync, Path: "*.log", Hang: hung, Stays: true}) // those of the state go on
	flying := w.patiently("flying", put("flying", "x"))
	judged := w.patiently("judged", put("judged", "x"))
	closed := make(chan error, 1)
	go func() { closed <- w.db.Close() }()
	synctest.Wait()
	wantCode(t, "judged, not sent", (<-judged).err, mainstem.Stopped)
	select {
	case err := <-closed:
		t.Fatalf("closed while a record flies: %v", err)
	default:
	}
	w.faults.Heal()
	close(hung)
	if a := <-flying; a.err != nil {
		t.Errorf("in flight when the database closed: %v", a.err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	w.open()
	w.wantValue("g", "flying", "x")
	w.close()
}

func noRoom(t *testing.T) {
	w := start(t)
	half := []mainstem.Operation{put("x", string(make([]byte, 240<<10))), put("y", string(make([]byte, 240<<10)))}
	<-w.patiently("1", half...)
	<-w.patiently("2", half...)
	w.faults.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "*.tmp", Err: disk.ErrFull, Stays: true})
	full := append(half, put("full", "x")) // needs a new segment
	wantCode(t, "without room", (<-w.patiently("full", full...)).err, mainstem.Unavailable)
	w.faults.Heal()
	if a := <-w.patiently("after", put("after", "x")); a.err != nil {
		t.Errorf("with room again: %v", a.err)
	}
	w.wantValue("g", "full", "-")
	w.close()
}

func syncFails(t *testing.T) {
	w := start(t)
	w.faults.Inject(disk.Fault{Kind: disk.OpSync, Err: errors.New("the disk is gone"), Stays: true})
	wantCode(t, "unsynced", (<-w.patiently("open", put("open", "x"))).err, mainstem.Undecided)
	wantCode(t, "after that", (<-w.patiently("after", put("after", "x"))).err, mainstem.Stopped)
	w.end()
}
