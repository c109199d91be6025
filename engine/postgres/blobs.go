package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/blob"
)

// blobs are the snapshots that lie beside the log, in a table of its schema: they are as
// durable as its records. They can be used as long as a log of the database is open.
type blobs struct{ server *server }

var _ blob.Store = (*blobs)(nil)

// Put writes a row.
func (b *blobs) Put(ctx context.Context, name string, data []byte) error {
	sealed, err := blob.Seal(name, data)
	if err != nil {
		return err
	}
	return b.query(ctx, "putting", name, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, b.server.in("SELECT $S.keep($1, $2)"), name, sealed)
		return err
	})
}

// Get reads a row and holds it to its hash.
func (b *blobs) Get(ctx context.Context, name string) ([]byte, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	var sealed []byte
	err := b.query(ctx, "reading", name, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, b.server.in("SELECT sealed FROM $S.blob WHERE name = $1"), name).Scan(&sealed)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s in schema %s", blob.ErrMissing, name, b.server.schema)
	}
	if err != nil {
		return nil, err
	}
	return blob.Open(name, sealed)
}

// List reads names. They are sorted by their bytes, whatever the server's language.
func (b *blobs) List(ctx context.Context, prefix string) ([]string, error) {
	if err := blob.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	var names []string
	err := b.query(ctx, "listing", prefix, func(ctx context.Context, c *pgx.Conn) error {
		// Behind every name with this prefix: 0x7F is in none.
		rows, err := c.Query(ctx, b.server.in("SELECT name FROM $S.blob WHERE name >= $1 AND name < $2 ORDER BY name"), prefix, prefix+"\x7f")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}

// Delete deletes a row.
func (b *blobs) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	return b.query(ctx, "deleting", name, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, b.server.in("DELETE FROM $S.blob WHERE name = $1"), name)
		return err
	})
}

func (b *blobs) query(ctx context.Context, doing, name string, fn func(context.Context, *pgx.Conn) error) error {
	err := b.server.query(ctx, fn)
	if err != nil {
		return fmt.Errorf("%s blob %s: %w", doing, strings.TrimSpace(name), err)
	}
	return nil
}
