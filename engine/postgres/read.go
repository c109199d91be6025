package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/journal"
)

// How much is read at once: a reader that is slow holds no connection meanwhile.
const (
	pageRecords = 512
	pageBytes   = 4 << 20
)

// Read yields records from a slot on, up to the tail at the time of the call. Each
// is held to the hash that was stored beside it, and a slot that is missing is
// damage, unless it was trimmed.
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	oldest, tail, err := l.extent(ctx)
	return func(yield func(journal.Entry, error) bool) {
		if err == nil && from < oldest {
			err = fmt.Errorf("%w: slot %d, the oldest kept one is %d", journal.ErrTrimmed, from, oldest)
		}
		for err == nil && from <= tail {
			var page []journal.Entry
			if page, err = l.page(ctx, from, tail); err != nil {
				break
			}
			for _, e := range page {
				if err = l.begin(ctx); err != nil {
					break
				}
				if !yield(e, nil) {
					return
				}
				from = e.Slot + 1
			}
		}
		if err == nil {
			err = l.begin(ctx)
		}
		if err != nil {
			yield(journal.Entry{}, err)
		}
	}
}

// extent is what the log has now.
func (l *Log) extent(ctx context.Context) (oldest, tail uint64, err error) {
	if err := l.begin(ctx); err != nil {
		return 0, 0, err
	}
	ctx, cancel := l.until(ctx)
	defer cancel()
	err = l.server.query(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, l.server.in("SELECT * FROM $S.extent($1)"), l.part).Scan(&oldest, &tail)
	})
	if err != nil && l.life.Err() != nil {
		err = errClosed
	}
	return oldest, tail, err
}

// page reads the next records, at least one.
func (l *Log) page(ctx context.Context, from, to uint64) (page []journal.Entry, err error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	inner, cancel := l.until(ctx)
	defer cancel()
	err = l.server.query(inner, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, l.server.in(`SELECT slot, hash, record FROM (
			SELECT slot, hash, record, sum(octet_length(record)) OVER (ORDER BY slot) - octet_length(record) AS before
			FROM (SELECT slot, hash, record FROM $S.record WHERE part = $1 AND slot BETWEEN $2 AND $3 ORDER BY slot LIMIT $4) AS next
			) AS page WHERE before < $5 ORDER BY slot`), l.part, int64(from), int64(to), pageRecords, pageBytes)
		if err != nil {
			return err
		}
		var (
			e    journal.Entry
			slot int64
			hash []byte
		)
		_, err = pgx.ForEachRow(rows, []any{&slot, &hash, &e.Record}, func() error {
			e.Slot = uint64(slot)
			if want := from + uint64(len(page)); e.Slot != want {
				return fmt.Errorf("%w: slot %d of partition %d is gone, slot %d is there", journal.ErrCorrupt, want, l.part, e.Slot)
			}
			if sum := journal.Sum(e.Record); string(hash) != string(sum[:]) {
				return fmt.Errorf("%w: the record in slot %d of partition %d has hash %s, and another was stored beside it", journal.ErrCorrupt, e.Slot, l.part, sum)
			}
			page = append(page, e)
			e.Record = nil
			return nil
		})
		return err
	})
	switch {
	case l.life.Err() != nil:
		return nil, errClosed
	case err != nil:
		return nil, l.trimmedMeanwhile(ctx, from, err)
	case len(page) == 0:
		return nil, l.trimmedMeanwhile(ctx, from, fmt.Errorf("%w: slot %d of partition %d is gone", journal.ErrCorrupt, from, l.part))
	}
	return page, nil
}

// trimmedMeanwhile tells what was trimmed while it was read from what is gone.
func (l *Log) trimmedMeanwhile(ctx context.Context, slot uint64, found error) error {
	oldest, _, err := l.extent(ctx)
	if err == nil && slot < oldest {
		return fmt.Errorf("%w: slot %d, the oldest kept one is %d", journal.ErrTrimmed, slot, oldest)
	}
	return found
}
