package jetstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/blobtest"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/mainstemtest"
	nodes "github.com/mainstemdb/mainstem/node"
)

// TestBlobs: the suite, against the object store of a server.
func TestBlobs(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o := c.options()
	blobtest.Run(t, blobtest.World{
		Open: func(t *testing.T) blob.Store { return openDatabase(t, o, 1).Blobs },
		Flip: func(t *testing.T, name string) {
			conn, err := nats.Connect(o.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			js, err := natsjs.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			bucket, err := js.ObjectStore(t.Context(), "mainstem-"+o.Name)
			if err != nil {
				t.Fatal(err)
			}
			data, err := bucket.GetBytes(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if _, err := bucket.PutBytes(t.Context(), name, data); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// TestTornBlob: one whose parts the server has not taken is corrupt, and neither missing
// nor away, so that whoever has an older one goes by that.
func TestTornBlob(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o := c.options()
	blobs := openDatabase(t, o, 1).Blobs
	for name, purge := range map[string][]natsjs.StreamPurgeOpt{"some": {natsjs.WithPurgeKeep(1)}, "all": nil} {
		if err := blobs.Put(t.Context(), name, make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
		stream, err := c.admin(t).Stream(t.Context(), "OBJ_mainstem-"+o.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Purge(t.Context(), append(purge, natsjs.WithPurgeSubject("$O.mainstem-"+o.Name+".C.*"))...); err != nil {
			t.Fatal(err)
		}
		if _, err := blobs.Get(t.Context(), name); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("a blob without %s of its parts: %v", name, err)
		}
	}
}

// said is what nodes have said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestJoining: a node with nothing begins from the snapshot that lies in the object store
// beside the stream, and reads only what the stream has after it.
func TestJoining(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o := c.options()
	clock := mainstemtest.NewClock()
	said := new(said)
	start := func(name string) *embedded.DB {
		logs, err := jetstream.OpenDatabase(t.Context(), o, 1)
		if err != nil {
			t.Fatal(err)
		}
		db, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(32<<20), embedded.Retain(0), embedded.OnClock(clock),
			embedded.Logger(slog.New(slog.NewTextHandler(said, nil))), embedded.Cluster(logs, name, nodes.Shared{Patience: time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	a := start("a")
	for round := range 3 {
		for i := range 10 {
			_, err := a.Group("g").Do(t.Context(), fmt.Sprint(round, "-", i), func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(time.Minute)
		if err := a.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }); err != nil {
		t.Fatal(err)
	}
	b := start("b")
	if !strings.Contains(said.String(), "the state begins from a snapshot") {
		t.Errorf("the node began from nothing: %s", said.String())
	}
	if v, err := b.Get(t.Context(), "g", "n", mainstem.Latest()); err != nil || v.Value.Int != 31 {
		t.Errorf("n is %d, %v on the node that joined; want 31", v.Value.Int, err)
	}
	r, err := b.Group("g").Do(t.Context(), "0-0", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
	if err != nil || !r.Replayed {
		t.Errorf("an ID from before the snapshot ran again (L5): %+v, %v", r, err)
	}
	found, err := embedded.RestoreFrom(t.Context(), embedded.Recovery{From: openDatabase(t, o, 1).Blobs}, t.TempDir()+"/restored", embedded.Memory(32<<20))
	if err != nil || found[0].Rows == 0 {
		t.Errorf("a restore onto files, whose slots are others: %+v, %v", found, err)
	}
}
