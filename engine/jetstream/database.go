package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// MaxPartitions is the most partitions of a database.
const MaxPartitions = 4096

// What the stream of each partition says of its database.
const (
	metaDatabase   = "mainstem-database"
	metaPartitions = "mainstem-partitions"
)

// OpenDatabase opens the logs of a database, or founds it with so many partitions;
// one that exists has those that it has, and 0 asks for no other number. Each log has
// a connection of its own, so Options.Conn and Partition are empty. Where nodes found
// it at once, one does, and the others find it.
//
// Errors are mainstem's: Weak for settings that can lose what is acknowledged, unless
// they are accepted; Invalid for what can hold no log; Corrupt for damage; Unavailable
// where nobody answers.
func OpenDatabase(ctx context.Context, o Options, partitions int) (*journal.Database, error) {
	if o.Conn != nil || o.Partition != 0 {
		return nil, mainstem.Errorf(mainstem.Invalid, "the logs of a database have connections and partitions of their own")
	}
	if partitions < 0 || partitions > MaxPartitions {
		return nil, mainstem.Errorf(mainstem.Invalid, "%d partitions; there may be 1 to %d", partitions, MaxPartitions)
	}
	id := [16]byte{}
	rand.Read(id[:])
	o.meta = map[string]string{metaDatabase: hex.EncodeToString(id[:]), metaPartitions: strconv.Itoa(max(1, partitions))}
	first, err := Open(ctx, o)
	if err != nil {
		return nil, typed(err)
	}
	d := &journal.Database{Logs: []journal.Log{first}, Guarantees: first.Guarantees(), Blobs: &blobs{log: first}}
	if err := others(ctx, d, o, first, partitions); err != nil {
		for _, l := range d.Logs {
			err = errors.Join(err, l.Close())
		}
		return nil, err
	}
	return d, nil
}

// others opens what follows the first partition, whose stream says what there is.
func others(ctx context.Context, d *journal.Database, o Options, first *Log, partitions int) error {
	id, err := hex.DecodeString(first.meta[metaDatabase])
	count, wrong := strconv.Atoi(first.meta[metaPartitions])
	switch {
	case err != nil || len(id) != len(d.ID) || wrong != nil || count < 1 || count > MaxPartitions:
		return mainstem.Errorf(mainstem.Invalid, "stream %s does not say of which database it is the log (%s %q, %s %q)",
			first.name, metaDatabase, first.meta[metaDatabase], metaPartitions, first.meta[metaPartitions])
	case partitions != 0 && partitions != count:
		return mainstem.Errorf(mainstem.Invalid, "database %s has %d partitions, not %d; the count is fixed when it is founded", o.Name, count, partitions)
	}
	copy(d.ID[:], id)
	o.meta = map[string]string{metaDatabase: first.meta[metaDatabase], metaPartitions: first.meta[metaPartitions]}
	for part := 1; part < count; part++ {
		o.Partition = uint32(part)
		l, err := Open(ctx, o)
		if err != nil {
			return typed(err)
		}
		d.Logs = append(d.Logs, l)
		if got := l.meta[metaDatabase]; got != first.meta[metaDatabase] {
			return mainstem.Errorf(mainstem.Corrupt, "stream %s is of database %q, and stream %s of %q (L2)", l.name, got, first.name, first.meta[metaDatabase])
		}
	}
	return nil
}

// typed is an error of opening as Mainstem's callers know errors.
func typed(err error) error {
	e := mainstem.Errorf(mainstem.Unavailable, "%w", err)
	if refused, ok := errors.AsType[*Refused](err); ok {
		e.Code = mainstem.Invalid
		if refused.weak() {
			e.Code = mainstem.Weak
		}
	}
	if errors.Is(err, journal.ErrCorrupt) {
		e.Code = mainstem.Corrupt
	}
	if errors.Is(err, errOptions) {
		e.Code = mainstem.Invalid
	}
	return e
}
