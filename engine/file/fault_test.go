package file_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// script is a fixed workload that crosses segments, trims, shuts down in
// order, opens again, reads. It stops at the first error.
func (w *world) script() error {
	for i := range 30 {
		var err error
		switch {
		case w.log == nil:
			err = w.open()
		case i == 12:
			err = w.trim(6)
		case i == 20:
			err = w.close()
		case i == 28:
			for _, rerr := range w.log.Read(nil2ctx, w.trimmed) {
				err = errors.Join(err, rerr)
			}
		default:
			err = w.append()
		}
		if err != nil {
			return err
		}
	}
	return w.close()
}

// TestErrorAtEveryOperation injects one error at every operation index. Each
// comes out, nothing is acknowledged wrongly, and the directory opens again in
// this process and after a power cut (RELIABILITY 1.2).
func TestErrorAtEveryOperation(t *testing.T) {
	alone(t)
	injected, surfaced, reserved := int64(0), 0, 0
	for _, fault := range []disk.Fault{
		{Err: disk.ErrIO}, {Err: disk.ErrFull}, {Err: disk.ErrIO, Torn: 77}, {Err: disk.ErrIO, Forget: true},
	} {
		for n := int64(1); ; n++ {
			p := power(t, disk.NewMem(), uint64(n), 0.1)
			faults := disk.NewFaults(p)
			fault.At = n
			faults.Inject(fault)
			w := newWorld(7, faults)
			err := w.script()
			if faults.Injected() == 0 {
				break // beyond the last operation
			}
			injected += faults.Injected()
			switch {
			case errors.Is(err, fault.Err):
				surfaced++
			case err == nil && fault.Err == disk.ErrFull: //nolint:errorlint // the very value
				reserved++ // Open made do with the reserve's room
			default:
				t.Errorf("operation %d: the injected %v did not come out: %v", n, fault.Err, err)
			}
			if w.log != nil {
				if _, err := w.log.Append(nil2ctx, w.tail(), nil); err != nil && !errors.Is(err, journal.ErrFailed) && !errors.Is(err, journal.ErrLost) {
					t.Errorf("operation %d: Append after the error: %v", n, err)
				}
				w.acked = w.acked[:min(len(w.acked), int(w.log.Tail().Index))]
				if w.log.Tail().Index > uint64(len(w.acked)) {
					w.acked = append(w.acked, w.log.Tail()) // the log went on: it was only full
				}
				_ = w.log.Close()
			}
			must := w.promise()
			crashed, err := p.Crash(uint64(n), keeps[n%5])
			if err != nil {
				t.Fatal(err)
			}
			for where, fs := range map[string]disk.FS{"in this process": p, "after a power cut": crashed} {
				if err := must.check(fs); err != nil {
					t.Errorf("%v at operation %d, opened again %s: %v", fault.Err, n, where, err)
				}
			}
		}
	}
	t.Logf("%d errors injected, %d came out, %d times a full disk was met by the reserve", injected, surfaced, reserved)
	if surfaced < 400 {
		t.Errorf("only %d errors: the workload is too small to mean anything", surfaced)
	}
}

// TestFailedSyncThenReopen: the page cache shows the record, the disk has not
// got it, and no sync of the old file will ever write it. Opening again in the
// same process must bring it to the disk before it is served (RELIABILITY 1.2).
func TestFailedSyncThenReopen(t *testing.T) {
	p := power(t, disk.NewMem(), 1, 0)
	faults := disk.NewFaults(p)
	w := newWorld(1, faults)
	for range 4 {
		if err := w.step(); err != nil {
			t.Fatal(err)
		}
	}
	faults.Inject(disk.Fault{Kind: disk.OpSync, Err: disk.ErrIO, Forget: true})
	if err := w.append(); !errors.Is(err, journal.ErrUnknown) || !errors.Is(err, disk.ErrIO) {
		t.Fatalf("Append whose sync fails: %v, want ErrUnknown", err)
	}
	select {
	case <-w.log.Done():
	default:
		t.Error("Done is open although the log has failed")
	}
	if !errors.Is(w.log.Err(), disk.ErrIO) {
		t.Errorf("Err is %v", w.log.Err())
	}
	for range 2 {
		if err := w.append(); !errors.Is(err, journal.ErrFailed) {
			t.Errorf("Append on a failed log: %v, want ErrFailed", err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, p)
	if l.Tail().Index != uint64(len(w.acked))+1 {
		t.Fatalf("the tail is %d: the page cache shows the unknown record, so it is there or it is not, for good", l.Tail().Index)
	}
	tail := l.Tail()
	fs, err := p.Crash(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	after := open(t, fs)
	if after.Tail() != tail {
		t.Errorf("served index %d, but after a power cut the log ends at %d (L4)", tail.Index, after.Tail().Index)
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull: definite errors, reads go on, orderly records still fit, and
// the log resumes by itself (RELIABILITY 1.12).
func TestDiskFull(t *testing.T) {
	faults := disk.NewFaults(disk.NewMem())
	l := open(t, faults)
	head, big := journal.Head{}, bytes.Repeat([]byte{1}, 6000)
	append1 := func(record []byte) error {
		next, err := l.Append(nil2ctx, head, record)
		if err == nil {
			head = next
		}
		return err
	}
	if err := append1(big); err != nil {
		t.Fatal(err)
	}
	faults.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "reserve", Err: disk.ErrFull, Stays: true})
	faults.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "*.tmp", Err: disk.ErrFull})
	for i := range 2 {
		if err := append1(big); !errors.Is(err, journal.ErrFailed) || !errors.Is(err, file.ErrFull) {
			t.Fatalf("Append %d of a large record on a full disk: %v", i, err)
		}
	}
	for range 5 {
		if err := append1(make([]byte, file.OrderlyMax)); err != nil {
			t.Fatalf("an orderly record on a full disk: %v", err)
		}
	}
	if err := l.Trim(nil2ctx, head.Slot); err != nil {
		t.Fatalf("Trim on a full disk: %v", err)
	}
	n := 0
	for _, err := range l.Read(nil2ctx, head.Slot) {
		if err != nil {
			t.Errorf("Read on a full disk: %v", err)
		}
		n++
	}
	faults.Heal()
	if err := append1(big); err != nil || n != 1 {
		t.Errorf("after space was freed: %v (read %d)", err, n)
	}
	if there, err := disk.Exists(faults, "log/reserve"); err != nil || !there {
		t.Errorf("the reserve is back: %v, %v", there, err)
	}
	if err := errors.Join(l.Err(), l.Close()); err != nil {
		t.Error(err)
	}
}

// TestTornAtEveryByte cuts the last of three writes at every byte.
func TestTornAtEveryByte(t *testing.T) {
	alone(t)
	records := [][]byte{bytes.Repeat([]byte{1}, 100), bytes.Repeat([]byte{2}, 700), bytes.Repeat([]byte{3}, 1300)}
	whole := 72 + 1304
	for cut := 0; cut <= whole; cut++ {
		p := power(t, disk.NewMem(), 1, 0)
		faults := disk.NewFaults(p)
		w := &world{fs: faults, trimmed: 1}
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for i, record := range records {
			if i == 2 {
				faults.Inject(disk.Fault{Kind: disk.OpWrite, Path: "*.log", Err: disk.ErrIO, Torn: cut})
			}
			after := w.tail()
			head, err := w.log.Append(nil2ctx, after, record)
			want := error(nil)
			if i == 2 {
				if want = journal.ErrUnknown; cut == 0 {
					want = journal.ErrFailed
				}
			}
			if !errors.Is(err, want) {
				t.Fatalf("cut at byte %d: Append: %v, want %v", cut, err, want)
			}
			if err == nil {
				w.acked = append(w.acked, head)
			}
		}
		if cut >= 72+1300 { // only padding is missing, and padding is zeros
			w.attempt = records[2]
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		fs, err := p.Crash(uint64(cut), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.promise().check(fs); err != nil {
			t.Fatalf("cut at byte %d of %d: %v", cut, whole, err)
		}
	}
}

// TestHungSyncHoldsEverythingBack (L4): while a sync hangs, the record is not
// acknowledged, not read, not confirmed, and wakes nobody.
func TestHungSyncHoldsEverythingBack(t *testing.T) {
	faults := disk.NewFaults(disk.NewMem())
	l := open(t, faults)
	release, struck := make(chan struct{}), make(chan struct{}, 1)
	faults.Inject(disk.Fault{Kind: disk.OpSync, Path: "*.log", Hang: release, Struck: struck})
	done := make(chan journal.Head)
	go func() {
		head, err := l.Append(nil2ctx, journal.Head{}, []byte("slow"))
		if err != nil {
			t.Error(err)
		}
		done <- head
	}()
	<-struck
	for e := range l.Read(nil2ctx, 1) {
		t.Errorf("slot %d is read before it is durable (L4)", e.Slot)
	}
	if err := l.Confirm(nil2ctx, journal.Head{}); err != nil {
		t.Errorf("Confirm of the durable tail during an append: %v", err)
	}
	ctx, cancel := contextWithTimeout(20 * time.Millisecond)
	defer cancel()
	if err := l.Wait(ctx, 1); err == nil {
		t.Error("Wait returned before the record was durable (L4)")
	}
	close(release)
	if head := <-done; l.Confirm(nil2ctx, head) != nil {
		t.Error("the record is not the tail after its sync")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
