package embedded

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/node"
)

// formatVersion is the version of the directory's layout that this program
// writes, and the newest that it reads.
const formatVersion = 1

// manifestName is the file that says what a directory is.
const manifestName = "mainstem.json"

// manifest is written once, when the database is created.
type manifest struct {
	Format     int    `json:"format"`
	Database   string `json:"database"`
	Partitions int    `json:"partitions"`
	// Engine is where the logs are; empty means in this directory.
	Engine string `json:"engine,omitempty"`
	// Check is the CRC-32C of the other fields: another count of partitions
	// would send every group elsewhere.
	Check string `json:"check"`
}

func (m manifest) sum() string {
	text := fmt.Sprintf("%d %s %d", m.Format, m.Database, m.Partitions)
	if m.Engine != "" {
		text += " " + m.Engine
	}
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

func defaults(opts []Option) config {
	c := config{fs: disk.Default, node: node.Config{
		Memory: DefaultMemory, Clock: node.SystemClock(), Logger: slog.New(slog.DiscardHandler),
	}}
	if name, err := os.Hostname(); err == nil {
		c.node.Name = name
	}
	for _, o := range opts {
		o.apply(&c)
	}
	return c
}

// open puts a directory's parts together, and a node on them.
func open(ctx context.Context, dir string, opts []Option) (*DB, error) {
	c := defaults(opts)
	if c.fs == disk.Default {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, mainstem.Errorf(mainstem.Invalid, "directory %s: %w", dir, err)
		}
		dir = absolute
	}
	m, err := c.manifest(dir)
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(m.Database)
	if err != nil || len(id) != len(c.node.Database) {
		return nil, mainstem.Errorf(mainstem.Corrupt, "%s names database %q, which is not 32 hexadecimal digits", c.fs.PathJoin(dir, manifestName), m.Database)
	}
	if c.partitions != nil && *c.partitions != m.Partitions {
		return nil, mainstem.Errorf(mainstem.Invalid, "%s has %d partitions, not %d; the count is fixed when a database is created", dir, m.Partitions, *c.partitions)
	}
	c.node.Partitions, c.node.ReadOnly = m.Partitions, c.readOnly
	copy(c.node.Home[:], id)
	if c.node.Database = c.node.Home; c.shared != nil {
		c.node.Database = c.shared.ID
	}
	c.node.Incarnation = newIncarnation()
	if err := c.node.Validate(); err != nil {
		return nil, err
	}
	if err := c.matches(dir, m); err != nil {
		return nil, errors.Join(err, c.closeShared())
	}
	for i := range m.Partitions {
		part, err := c.part(ctx, dir, i)
		if err != nil {
			return nil, errors.Join(err, closeParts(c.node.Parts))
		}
		c.node.Parts = append(c.node.Parts, part)
	}
	n, err := node.Open(ctx, c.node)
	if err != nil {
		return nil, errors.Join(err, closeParts(c.node.Parts))
	}
	return c.db(n), nil
}

// db is a node with what stands before it.
func (c *config) db(n *node.Node) *DB {
	var b mainstem.Backend = n
	for _, wrap := range c.through {
		b = wrap(b)
	}
	return &DB{DB: mainstem.New(b), node: n, fs: c.fs}
}

// count is how many partitions a new database has.
func (c *config) count() int {
	if c.partitions == nil {
		return 1
	}
	return *c.partitions
}

// newIncarnation is random, and never the zero that means none.
func newIncarnation() mainstem.Incarnation {
	var b [8]byte
	rand.Read(b[:])
	return mainstem.Incarnation(binary.BigEndian.Uint64(b[:]) | 1)
}

// part opens the log of one partition. Damage is the partition's own affair;
// everything else ends the opening.
func (c *config) part(ctx context.Context, dir string, i int) (node.Part, error) {
	part := node.Part{FS: c.fs, Dir: c.fs.PathJoin(dir, fmt.Sprintf("p%04d", i))}
	if c.shared != nil {
		part.Log, part.Shared, part.Blobs, c.node.Guarantees = c.shared.Logs[i], true, c.shared.Blobs, c.shared.Guarantees
		return part, disk.MkdirAll(c.fs, part.Dir)
	}
	log, err := file.Open(ctx, file.Config{FS: c.fs, Dir: c.fs.PathJoin(part.Dir, "log"), SegmentSize: c.segment, ReadOnly: c.readOnly})
	if err != nil {
		err = openError(part.Dir, err)
		if mainstem.CodeOf(err) != mainstem.Corrupt {
			return part, err
		}
		part.Err = err
		return part, nil
	}
	c.node.Guarantees = log.Guarantees()
	part.Log, part.Broken, part.Why = log, log.Done(), log.Err
	return part, nil
}

func closeParts(parts []node.Part) error {
	var errs []error
	for _, p := range parts {
		if p.Log != nil {
			errs = append(errs, p.Log.Close())
		}
	}
	return errors.Join(errs...)
}

// manifest reads what the directory is, or makes a new one of an empty one.
func (c *config) manifest(dir string) (manifest, error) {
	path := c.fs.PathJoin(dir, manifestName)
	exists, err := disk.Exists(c.fs, path)
	if err != nil {
		return manifest{}, openError(dir, err)
	}
	if exists {
		return c.readManifest(path)
	}
	if c.readOnly {
		return manifest{}, advise(mainstem.Errorf(mainstem.Invalid, "%s holds no Mainstem database (no %s)", dir, manifestName),
			"name the directory of a database, or open it without read-only to create one")
	}
	if names, err := c.fs.List(dir); err == nil && len(names) > 0 && !ours(names) {
		return manifest{}, advise(mainstem.Errorf(mainstem.Invalid, "%s is not empty and holds no Mainstem database (no %s)", dir, manifestName),
			"name an empty or a new directory")
	}
	m := manifest{Format: formatVersion, Partitions: c.count()}
	id := [16]byte{}
	rand.Read(id[:])
	if c.shared != nil {
		id, m.Partitions, m.Engine = c.shared.ID, len(c.shared.Logs), c.shared.Guarantees.Engine
	}
	m.Database = hex.EncodeToString(id[:])
	if m.Partitions < 1 || m.Partitions > node.MaxPartitions {
		return m, mainstem.Errorf(mainstem.Invalid, "%d partitions; there may be 1 to %d", m.Partitions, node.MaxPartitions)
	}
	m.Check = m.sum()
	text, err := json.Marshal(m)
	if err != nil {
		return m, mainstem.Errorf(mainstem.Invalid, "manifest: %w", err)
	}
	if err := disk.MkdirAll(c.fs, dir); err != nil {
		return m, openError(dir, err)
	}
	return m, openError(dir, disk.WriteFile(c.fs, path, append(text, '\n')))
}

// ours reports whether a directory holds nothing but what an interrupted
// creation can leave behind.
func ours(names []string) bool {
	for _, name := range names {
		if name != manifestName+disk.TempSuffix && name != "lost+found" {
			return false
		}
	}
	return true
}

func (c *config) readManifest(path string) (manifest, error) {
	var m manifest
	const most = 64 << 10
	if info, err := c.fs.Stat(path); err == nil && info.Size() > most {
		return m, mainstem.Errorf(mainstem.Corrupt, "%s has %d bytes; a manifest has less than %d (L12)", path, info.Size(), most)
	}
	text, err := disk.ReadFile(c.fs, path, most)
	if err != nil {
		return m, openError(path, err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, mainstem.Errorf(mainstem.Corrupt, "%s does not parse: %w", path, err)
	}
	switch {
	case m.Format > formatVersion:
		return m, advise(mainstem.Errorf(mainstem.Invalid, "%s is of directory format %d; this program reads up to %d", path, m.Format, formatVersion),
			"use the newer Mainstem that wrote it; nothing was changed")
	case m.Check != m.sum():
		return m, mainstem.Errorf(mainstem.Corrupt, "%s is damaged: its check is %s, not %s (L12)", path, m.sum(), m.Check)
	case m.Format < 1, m.Partitions < 1, m.Partitions > node.MaxPartitions:
		return m, mainstem.Errorf(mainstem.Corrupt, "%s names format %d and %d partitions", path, m.Format, m.Partitions)
	}
	return m, nil
}

func advise(e *mainstem.Error, advice string) error {
	e.Advice = advice
	return e
}
