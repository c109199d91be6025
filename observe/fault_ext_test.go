package observe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/observe"
)

// TestFailedSyncIsTold: the database has stopped, and the scrape goes on.
func TestFailedSyncIsTold(t *testing.T) {
	w := start(t, observe.New())
	w.wants(0, "g", "a", put("k"))
	w.disk.Inject(disk.Fault{Kind: disk.OpSync, Err: disk.ErrIO, Stays: true})
	w.wants(mainstem.Undecided, "g", "b", put("k"))
	<-w.db.Done()
	w.wants(mainstem.Stopped, "g", "c", put("k"))
	w.tells(map[string]float64{
		"up": 0, `partition_stopped{code="stopped",partition="0"}`: 1, `append_errors_total{outcome="unknown"}`: 1,
		`append_errors_total{outcome="failed"}`: 0, `calls_total{kind="commit",outcome="undecided"}`: 1,
		`calls_total{kind="commit",outcome="stopped"}`: 1, `partition_position{partition="0"}`: 1,
	})
}

// TestFullDiskIsTold: an append that found no room wrote nothing, and the database
// goes on.
func TestFullDiskIsTold(t *testing.T) {
	w := start(t, observe.New(), embedded.SegmentSize(16<<10))
	w.disk.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "*.tmp", Err: disk.ErrFull, Stays: true})
	defer w.disk.Heal()
	for i := 0; ; i++ {
		large := mainstem.Put{Name: "k", Value: mainstem.Bytes(make([]byte, 4<<10))}
		if _, err := w.commit("g", fmt.Sprint(i), large); err != nil {
			break
		}
	}
	w.tells(map[string]float64{`append_errors_total{outcome="failed"}`: 1, `calls_total{kind="commit",outcome="unavailable"}`: 1, "up": 1})
}

// TestSlowSyncIsTold: while a sync hangs, and afterwards in the histogram.
func TestSlowSyncIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, observe.New())
		hung := make(chan struct{})
		w.disk.Inject(disk.Fault{Kind: disk.OpSync, Hang: hung})
		answer := make(chan error, 1)
		go func() {
			_, err := w.db.Backend().Commit(context.Background(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "a"}})
			answer <- err
		}()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		w.tells(map[string]float64{"append_running_seconds": 2, `calls_running{kind="commit"}`: 1, "append_duration_seconds": 0})
		close(hung)
		if err := <-answer; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.tells(map[string]float64{"append_running_seconds": 0, `calls_running{kind="commit"}`: 0, "append_duration_seconds": 1})
		families, err := w.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "mainstem_sync_duration_seconds" && f.GetMetric()[0].GetHistogram().GetSampleSum() < 2 {
				t.Errorf("syncs took %v s", f.GetMetric()[0].GetHistogram().GetSampleSum())
			}
		}
	})
}

// TestFullQueueIsTold: by how full it is, and by who was turned away.
func TestFullQueueIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, observe.New(), embedded.Memory(16<<20))
		hung := make(chan struct{})
		w.disk.Inject(disk.Fault{Kind: disk.OpSync, Hang: hung, Stays: true})
		answers, sent, refused := make(chan error), 0, false
		large := mainstem.Put{Name: "k", Value: mainstem.Bytes(make([]byte, mainstem.LimitValue))}
		for ; !refused; sent++ {
			go func() {
				_, err := w.db.Backend().Commit(context.Background(),
					&mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: fmt.Sprint(sent)}, Operations: []mainstem.Operation{large}})
				answers <- err
			}()
			synctest.Wait()
			select {
			case err := <-answers:
				refused = mainstem.CodeOf(err) == mainstem.Overloaded
				if !refused {
					t.Fatal(err)
				}
			default:
			}
		}
		told := w.told()
		if told[`queue_filled_ratio{partition="0"}`] < 0.8 || told[`queue_transactions{partition="0"}`] < 1 || told[`queue_bytes{partition="0"}`] < mainstem.LimitValue ||
			told[`calls_total{kind="commit",outcome="overloaded"}`] != 1 || told[`memory_bytes{part="queue"}`] != told[`queue_bytes{partition="0"}`] {
			t.Errorf("%d were sent: %v", sent, told)
		}
		w.disk.Heal()
		close(hung)
		for range sent - 1 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		w.tells(map[string]float64{`queue_filled_ratio{partition="0"}`: 0, `queue_transactions{partition="0"}`: 0, `queue_bytes{partition="0"}`: 0})
	})
}

// TestDamageIsTold: the partition that stopped and why; the other one serves.
func TestDamageIsTold(t *testing.T) {
	files := disk.NewFaults(disk.NewMem())
	before := startOn(t, files, observe.New(), embedded.Partitions(2))
	groups := [2]string{}
	for i := 0; groups[0] == "" || groups[1] == ""; i++ {
		g := fmt.Sprint("g", i)
		groups[mainstem.SlotOf(g)/(mainstem.Slots/2)] = g
	}
	for _, g := range groups {
		before.wants(0, g, "a", mainstem.Put{Name: "k", Value: mainstem.Bytes([]byte("precious"))})
	}
	if err := before.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := files.RemoveAll("db/p0001/state"); err != nil { // so that the log is read
		t.Fatal(err)
	}
	flip(t, files, "db/p0001/log", "precious")
	w := startOn(t, files, observe.New())
	w.wants(0, groups[0], "b", put("k"))
	w.wants(mainstem.Corrupt, groups[1], "b", put("k"))
	w.tells(map[string]float64{
		"up": 1, `partition_stopped{code="corrupt",partition="1"}`: 1, `calls_total{kind="commit",outcome="corrupt"}`: 1,
		`partition_position{partition="0"}`: 2,
	})
	if _, told := w.told()[`partition_stopped{code="corrupt",partition="0"}`]; told {
		t.Error("the sound partition is told as stopped")
	}
	found, err := embedded.Verify(t.Context(), "db", "scratch", func(int, uint64, uint64) {}, embedded.OnDisk(files))
	if err != nil {
		t.Fatal(err)
	}
	w.watch.Verified(found)
	w.tells(map[string]float64{`verifications_total{outcome="damaged"}`: 1, `verifications_total{outcome="sound"}`: 1})
}

// flip changes one bit where a text stands in a file of a directory.
func flip(t *testing.T, fs disk.FS, dir, text string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		all, err := disk.ReadFile(fs, path, 64<<20)
		at := strings.Index(string(all), text)
		if err != nil || at < 0 {
			continue
		}
		f, err := disk.OpenReadWrite(fs, path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{text[0] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%q is in no file of %s", text, dir)
}
