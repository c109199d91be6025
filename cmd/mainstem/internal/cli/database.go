package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// directory is one that a command works on.
type directory struct {
	Dir string `help:"Directory of the database, else that of the environment, else ./mainstem-data." key:"dir" unset:"./mainstem-data" env:"MAINSTEM_DIR" placeholder:"DIR"`
}

// path is the directory, by flag, environment or default. An empty one counts
// as not given: scripts leave variables empty.
func (d directory) path() string { return cmp.Or(d.Dir, "./mainstem-data") }

// database is what a command works on: a directory, or a server.
type database struct {
	directory
	service
}

// memory is enough for one command at a time and leaves small machines room.
const memory = 64 << 20

// open opens the database, and creates it if there is none. What it would log
// is left out: an error is returned, and inspect tells the rest.
func (d database) open(e *env) (*mainstem.DB, error) {
	if d.Server != "" {
		return d.reach(e.ctx, d.Dir)
	}
	db, err := embedded.Open(e.ctx, d.path(), embedded.Memory(memory))
	if err != nil {
		return nil, advised(err, "give this process the right to write there; to look at it as it is: get, scan, read, export or feed with --read-only")
	}
	return db.DB, nil
}

// openExisting opens a database that must be there: a command that only reads
// or removes must not leave an empty one behind.
func (d database) openExisting(e *env) (*mainstem.DB, error) {
	if d.Server == "" {
		if err := d.exists(); err != nil {
			return nil, err
		}
	}
	return d.open(e)
}

// advised gives advice in terms of the command line where the library's is
// in terms of its options; denied is that for a lack of rights.
func advised(err error, denied string) error {
	if err == nil {
		return nil
	}
	p := *problemOf(err)
	switch {
	case errors.Is(err, disk.ErrLocked):
		p.Advice = "stop that process; ask it, if it is a server, with --server; or read beside it with --read-only, which can fail while it writes: then repeat"
	case p.Code == mainstem.Denied.String():
		p.Advice = denied
	default:
		return err
	}
	return &p
}

// readable is a directory that a command only reads.
type readable struct {
	database
	ReadOnly bool `help:"Change no file: for a directory that cannot be written, or that another process has open; beside one that writes, repeat what fails. Keys past their TTL may still be there." xor:"waiting"`
}

// openToRead opens a database to read from it. Without --read-only that also
// recovers what a crash left behind, and lets expire what is due.
func (r readable) openToRead(e *env) (*mainstem.DB, error) {
	if !r.ReadOnly {
		return r.openExisting(e)
	}
	if r.Server != "" {
		return nil, misused("leave it out: a server decides by itself what it writes", "--read-only is about files, and --server is given")
	}
	if err := r.exists(); err != nil {
		return nil, err
	}
	db, err := embedded.Open(e.ctx, r.path(), embedded.Memory(memory), embedded.ReadOnly())
	if err != nil {
		return nil, advised(err, "give this process the right to read it")
	}
	return db.DB, nil
}

func (d directory) exists() error {
	entries, err := os.ReadDir(d.path())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return notFound("name the directory with --dir, or write something first: mainstem put demo/hello world",
			"no database in %s", d.path())
	}
	return err
}

// point is where in history a read looks.
type point struct {
	At   *mainstem.Position `help:"Read as of this position, as put, scan and feed print it." placeholder:"POSITION" xor:"point"`
	Time *time.Time         `help:"Read as of the last write before this time, for example 2026-11-22T10:00:00Z." placeholder:"TIME" xor:"point"`
}

func (p point) consistency() mainstem.Consistency {
	switch {
	case p.At != nil:
		return mainstem.AsOf(*p.At)
	case p.Time != nil:
		return mainstem.AsOfTime(*p.Time)
	default:
		return mainstem.Latest()
	}
}
