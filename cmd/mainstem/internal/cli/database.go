package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// database is the directory that a command works on.
type database struct {
	Dir string `help:"Directory of the database; ./mainstem-data if neither says otherwise." env:"MAINSTEM_DIR" placeholder:"DIR"`
}

// path is the directory, by flag, environment or default. An empty one counts
// as not given: scripts leave variables empty.
func (d database) path() string { return cmp.Or(d.Dir, "./mainstem-data") }

// memory is enough for one command at a time and leaves small machines room.
const memory = 64 << 20

// open opens the database, and creates it if there is none. What it would log
// is left out: an error is returned, and inspect tells the rest.
func (d database) open(e *env) (*embedded.DB, error) {
	return embedded.Open(e.ctx, d.path(), embedded.Memory(memory))
}

// openExisting opens a database to read from it. A directory without one is
// an error: reading must not leave an empty database behind.
func (d database) openExisting(e *env) (*embedded.DB, error) {
	if err := d.exists(); err != nil {
		return nil, err
	}
	return d.open(e)
}

func (d database) exists() error {
	entries, err := os.ReadDir(d.path())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return notFound("name the directory with --dir, or write something first: mainstem put demo/hello world",
			"no database in %s", d.path())
	}
	return err
}

// point is where in history a read looks.
type point struct {
	At   *mainstem.Position `help:"Read as of this position of the partition." placeholder:"POSITION" xor:"point"`
	Time *time.Time         `help:"Read as of the last write before this time (RFC 3339)." placeholder:"TIME" xor:"point"`
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
