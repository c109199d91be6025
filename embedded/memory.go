package embedded

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/mainstemdb/mainstem/engine/memory"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// Report is what a database says of itself.
type Report struct {
	Format     int           `json:"format"`
	Database   string        `json:"database"`
	Guarantees Guarantees    `json:"guarantees"`
	Partitions []node.Report `json:"partitions"`
}

// Guarantees say what an acknowledgement means.
type Guarantees = journal.Guarantees

// Verification is what verifying one partition found.
type Verification = node.Verification

func scratchPart(fs disk.FS, dir string) node.Part { return node.Part{FS: fs, Dir: dir} }

func (c *config) inMemory(ctx context.Context) (*DB, error) {
	c.node.Partitions = c.count()
	if c.fs == disk.Default {
		c.fs = disk.NewMem()
	}
	rand.Read(c.node.Database[:])
	c.node.Incarnation = newIncarnation()
	if err := c.node.Validate(); err != nil {
		return nil, err
	}
	for i := range c.node.Partitions {
		log := memory.New()
		c.node.Guarantees = log.Guarantees()
		c.node.Parts = append(c.node.Parts, node.Part{Log: log, FS: c.fs, Dir: fmt.Sprintf("p%04d", i)})
	}
	n, err := node.Open(ctx, c.node)
	if err != nil {
		return nil, err
	}
	return c.db(n), nil
}
