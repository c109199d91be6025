package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem/internal/tally"
	"github.com/mainstemdb/mainstem/journal"
)

// Log is one partition's. It is a journal.Log.
type Log struct {
	server *server
	part   int16

	life context.Context // ends with Close
	end  context.CancelFunc
	once sync.Once

	appends tally.Histogram
}

var _ journal.Log = (*Log)(nil)

func newLog(s *server, part int) *Log {
	l := &Log{server: s, part: int16(part)}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

var errClosed = fmt.Errorf("%w: the log is closed", journal.ErrFailed)

// begin is why a call cannot begin, or nil.
func (l *Log) begin(ctx context.Context) error {
	if l.life.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

// Append writes a record in one statement, which is never cancelled: where ctx, or
// Patience, ends first, the outcome is unknown.
func (l *Log) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	if err := l.begin(ctx); err != nil {
		return journal.Head{}, failed(err)
	}
	if len(record) > journal.MaxRecord {
		return journal.Head{}, fmt.Errorf("%w: the record has %d bytes, the limit is %d", journal.ErrFailed, len(record), journal.MaxRecord)
	}
	done := make(chan appended, 1)
	go func() { done <- l.append(context.WithoutCancel(ctx), after, record) }()
	select {
	case a := <-done:
		return a.head, a.err
	case <-ctx.Done():
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrUnknown, ctx.Err())
	case <-l.life.Done():
		return journal.Head{}, fmt.Errorf("%w: the log was closed meanwhile", journal.ErrUnknown)
	}
}

type appended struct {
	head journal.Head
	err  error
}

func (l *Log) append(ctx context.Context, after journal.Head, record []byte) appended {
	head := journal.Head{Index: after.Index + 1, Hash: journal.Sum(record), Slot: after.Index + 1}
	sent, outcome, began := false, 0, time.Now()
	err := l.server.query(ctx, func(ctx context.Context, c *pgx.Conn) error {
		sent = true
		return c.QueryRow(ctx, l.server.in("SELECT $S.append($1, $2, $3, $4, $5)"),
			l.part, int64(after.Index), after.Hash[:], head.Hash[:], record).Scan(&outcome)
	})
	l.appends.Observe(int64(time.Since(began)))
	switch {
	case err == nil && outcome == 0:
		return appended{err: fmt.Errorf("%w: index %d (%v) is not the tail", journal.ErrLost, after.Index, after.Hash)}
	case err == nil:
		l.server.watch.appended(int(l.part), head.Slot)
		return appended{head: head}
	case !sent, pgconn.SafeToRetry(err), code(err) != "" && !ending(err):
		// Nothing was sent, or the server says that it did not do it.
		return appended{err: failed(err)}
	default:
		return appended{err: fmt.Errorf("%w: %w", journal.ErrUnknown, err)}
	}
}

func failed(err error) error {
	if errors.Is(err, journal.ErrFailed) {
		return err
	}
	return fmt.Errorf("%w: %w", journal.ErrFailed, err)
}

// Confirm proves the tail by a commit that changes nothing else.
func (l *Log) Confirm(ctx context.Context, head journal.Head) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := l.until(ctx)
	defer cancel()
	is := false
	err := l.server.query(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, l.server.in("SELECT $S.confirm($1, $2, $3)"), l.part, int64(head.Index), head.Hash[:]).Scan(&is)
	})
	switch {
	case l.life.Err() != nil:
		return errClosed
	case err != nil:
		return fmt.Errorf("the tail could not be proved: %w", err)
	case !is:
		return fmt.Errorf("%w: index %d (%v) is not the tail", journal.ErrLost, head.Index, head.Hash)
	}
	return nil
}

// until is ctx that ends with the log, too.
func (l *Log) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// Wait returns once a record is at slot or above.
func (l *Log) Wait(ctx context.Context, slot uint64) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	return l.server.watch.wait(ctx, l.life, int(l.part), slot)
}

// Trim allows the server to forget records. Their tables are emptied when nothing in
// them is kept.
func (l *Log) Trim(ctx context.Context, slot uint64) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := l.until(ctx)
	defer cancel()
	err := l.server.query(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, l.server.in("SELECT $S.forget($1, $2)"), l.part, int64(min(slot, 1<<62)))
		return err
	})
	if l.life.Err() != nil {
		return errClosed
	}
	return err
}

// Figures are how long appends took.
func (l *Log) Figures() journal.Figures { return journal.Figures{Syncs: l.appends.Counts()} }

// Close ends what runs. The connections end with the last log of the database.
func (l *Log) Close() error {
	l.once.Do(func() {
		l.end()
		l.server.leave()
	})
	return nil
}
