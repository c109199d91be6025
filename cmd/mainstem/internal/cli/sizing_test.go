//go:build linux && !race

// The race detector makes another program, whose sizes are not those of the page.

package cli_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/remote"
)

// sized is a server whose needs are measured: in a process of its own, as sizes count.
type sized struct {
	*served
	t   *testing.T
	dir string
}

func size(t *testing.T, args ...string) *sized {
	t.Helper()
	dir := t.TempDir()
	return &sized{serve(t, dir, append([]string{"--listen", "127.0.0.1:0", "--pprof", "127.0.0.1:0"}, args...)...), t, dir}
}

// live is what the heap and the stacks of the server hold after a collection, in bytes.
func (s *sized) live() (sum int64) {
	s.t.Helper()
	defer func(open int) { // the server notices later than this process that it is not asked any more
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.After(5 * time.Second); s.sockets() > open; {
			select {
			case <-tick.C:
			case <-end:
				s.t.Fatal("the connection for the profile stays open")
			}
		}
	}(s.sockets())
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.pprof+"heap?gc=1&debug=1", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"HeapAlloc", "Stack"} {
		found := regexp.MustCompile(`(?m)^# ` + name + ` = (\d+)`).FindSubmatch(text)
		if found == nil {
			s.t.Fatalf("the profile has no %s", name)
		}
		n, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// descriptors counts the open files of the server.
func (s *sized) descriptors() int {
	s.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

// sockets counts those of the open files that are none of the disk's, which the state
// opens and closes as it likes.
func (s *sized) sockets() (n int) {
	s.t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range all {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// disk is what the files below a part of the database's directory take, in bytes.
func (s *sized) disk(part string) (sum int64) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.dir, "mainstem-data", "p0000", part), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

func (s *sized) client() *remote.DB {
	s.t.Helper()
	db, err := remote.Open(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return db
}

// write commits count transactions from many clients at once, each a key of its own
// with a value that cannot be compressed, under an ID of its caller's.
func write(ctx context.Context, db *library.DB, clients, count, length int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			source, value := rand.NewChaCha8([32]byte{byte(c), byte(c >> 8)}), make([]byte, length)
			for i := range count / clients {
				name := fmt.Sprintf("key-%03d-%06d", c, i)
				_, _ = source.Read(value) // it never fails
				if _, err := db.Group("sizes").Do(ctx, name, func(tx *library.Txn) error { tx.Put(name, value); return nil }); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// figures are those of docs/guides/sizing.md, in bytes where they have a unit.
func figures(t *testing.T) map[string]int64 {
	t.Helper()
	page, err := os.ReadFile("../../../../docs/guides/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ([0-9]+)(?: ([A-Za-z]+))? \\|").FindAllStringSubmatch(string(page), -1) {
		n, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all[row[1]] = n * map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[row[3]]
	}
	return all
}

// holds wants a measurement to be within its figure, and not below a third of it.
func holds(t *testing.T, what string, figure, measured int64) {
	t.Helper()
	t.Logf("%s: %d measured, %d on the page", what, measured, figure)
	if measured > figure || 3*measured < figure {
		t.Errorf("%s: %d is not between a third of %d and all of it", what, measured, figure)
	}
}

// TestSizingConnections: what a connection and a feed cost, in memory and files.
func TestSizingConnections(t *testing.T) {
	page, s := figures(t), size(t)
	holds(t, "descriptors", page["descriptors"], int64(s.descriptors()))
	one := s.client()
	if err := write(t.Context(), one.DB, 1, 50, 10); err != nil {
		t.Fatal(err)
	}
	const connections, feeds = 100, 500
	before, sockets := s.live(), s.sockets()
	for range connections {
		if err := write(t.Context(), s.client().DB, 1, 1, 10); err != nil {
			t.Fatal(err)
		}
	}
	after := s.live()
	holds(t, "connection", page["connection"], (after-before)/connections)
	if more := s.sockets() - sockets; more != connections {
		t.Errorf("%d connections are %d descriptors", connections, more)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, feeds)
	var all sync.WaitGroup
	for range feeds {
		all.Go(func() {
			first := true
			for _, err := range one.Changes(ctx, library.From{}) {
				if first {
					heard <- err
					first = false
				}
			}
		})
	}
	for range feeds {
		if err := <-heard; err != nil {
			t.Error(err)
		}
	}
	before, sockets = after, s.sockets()
	holds(t, "feed", page["feed"], (s.live()-before)/feeds)
	if more := s.sockets() - sockets; more != 0 {
		t.Errorf("feeds are %d descriptors", more)
	}
	cancel()
	all.Wait()
}

// TestSizingDisk: what transactions add to the log and to the state, alone and
// together.
func TestSizingDisk(t *testing.T) {
	page := figures(t)
	const value, names = 100, len("sizes") + 2*len("key-000-000000")
	for _, c := range []struct {
		clients, count int
		segment        int64 // the larger the batches, the larger, as records do not cross its end
	}{{1, 8_000, 64 << 10}, {256, 256 * 500, 1 << 20}} {
		s := &sized{t: t, dir: t.TempDir()}
		db, err := embedded.Open(t.Context(), filepath.Join(s.dir, "mainstem-data"), embedded.SegmentSize(c.segment))
		if err != nil {
			t.Fatal(err)
		}
		reserve := s.disk("log") - c.segment
		if err := write(t.Context(), db.DB, c.clients, c.count, value); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		written := c.count / c.clients * c.clients
		log := (s.disk("log")-reserve)/int64(written) - value - int64(names)
		if c.clients == 1 { // each is a record, with a sync, of its own
			holds(t, "log of one client", page["transaction"]+page["record"], log)
			continue
		}
		holds(t, "log of many", page["transaction"], log)
		holds(t, "state", page["version"], s.disk("state")/int64(written)-value-int64(len("key-000-000000")))
	}
	s := size(t)
	holds(t, "spare", page["spare"], s.disk("log"))
}

// TestSizingTime: what one client and many can expect of a disk as it is.
func TestSizingTime(t *testing.T) {
	s := size(t)
	db := s.client()
	if err := write(t.Context(), db.DB, 1, 20, 10); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(s.dir, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syncs := timed(t, 200, func(i int) error {
		if _, err := f.WriteAt(make([]byte, 4096), int64(i)*4096); err != nil {
			return err
		}
		return f.Sync()
	})
	one := timed(t, 200, func(i int) error {
		_, err := db.Group("sizes").Do(t.Context(), fmt.Sprint("timed-", i), func(tx *library.Txn) error { tx.Add("n", 1); return nil })
		return err
	})
	const round, factor = 500 * time.Microsecond, 4
	expected := 2 * (syncs + round)
	if t.Logf("a sync takes %s, one client waits %s, and %s were expected", syncs, one, expected); one > factor*expected || factor*one < expected {
		t.Error("that is more than a factor of four away")
	}
	const clients, each = 64, 50
	began := time.Now()
	if err := write(t.Context(), db.DB, clients, clients*each, 10); err != nil {
		t.Fatal(err)
	}
	rate, alone := clients*each/time.Since(began).Seconds(), 1/one.Seconds()
	if t.Logf("%d clients do %.0f a second, one %.0f", clients, rate, alone); rate < 2*alone {
		t.Errorf("%d clients do %.0f a second and one %.0f: they do not share syncs", clients, rate, alone)
	}
}

// timed is the median of what a call takes.
func timed(t *testing.T, count int, call func(i int) error) time.Duration {
	t.Helper()
	var all []time.Duration
	for i := range count {
		began := time.Now()
		if err := call(i); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[count/2]
}
