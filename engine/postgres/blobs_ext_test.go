package postgres_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/blobtest"
	"github.com/mainstemdb/mainstem/engine/postgres"
)

// TestBlobs: the suite, against the table of a server.
func TestBlobs(t *testing.T) {
	s := running(t)
	c := install(t, s, 1)
	blobtest.Run(t, blobtest.World{
		Open: func(t *testing.T) blob.Store { return open(t, c).Blobs },
		Flip: func(t *testing.T, name string) {
			tag, err := connect(t, s).Exec(t.Context(),
				"UPDATE "+c.Schema+".blob SET sealed = set_bit(sealed, 8 * (octet_length(sealed) / 2), 1 - get_bit(sealed, 8 * (octet_length(sealed) / 2))) WHERE name = $1", name)
			if err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("%d rows, %v", tag.RowsAffected(), err)
			}
		},
	})
}

// TestOlderLayout: the SQL brings a log of layout 1 up to date, and a program that needs
// the new layout refuses it before that.
func TestOlderLayout(t *testing.T) {
	s := running(t)
	c := install(t, s, 1)
	run(t, s, "DROP TABLE "+c.Schema+".blob; DROP FUNCTION "+c.Schema+".keep; UPDATE "+c.Schema+".database SET layout = 1")
	if _, err := postgres.Open(t.Context(), c); err == nil {
		t.Fatal("a log of layout 1 is opened by a program that needs another")
	}
	sql, err := postgres.Schema(c.Schema, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, sql)
	d := open(t, c)
	if err := d.Blobs.Put(t.Context(), "a", nil); err != nil {
		t.Errorf("after it was brought up to date: %v", err)
	}
}
