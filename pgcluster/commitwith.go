package pgcluster

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// LimitResolving is how long CommitWith goes on finding out what became of a COMMIT
// whose answer did not come, also after its context has ended.
const LimitResolving = 15 * time.Second

// CommitWith commits the caller's SQL transaction and one transaction of Mainstem
// together: both, or neither. It is the last call on tx, which it always ends. The
// log of db must be in the database that tx is in, and tx of READ COMMITTED; its role
// needs what mainstem cluster schema --grant prints.
//
// It locks the tail of the group's partition, at most for 10 seconds of waiting; then
// fn runs, once, as in Group.Do, and reads what is at that tail, so no read of it can
// conflict. Everybody else who writes to the partition waits until tx has ended: fn is
// to do nothing slow, and the caller's own work in tx is best done before. So it
// serializes writers: with 32 at once on two busy cores it came to an eighteenth of the
// rate of pg.Append, which does not (go test ./pgcluster -run - -bench Beside).
//
// An ID that has committed before rolls tx back, fn does not run, and the first
// receipt is returned, with Replayed set (L5). An error rolls tx back: of fn's own, or
// of a condition that does not hold. A refusal of fn's (Txn.Refuse) rolls tx back and is
// committed by itself. RetryTransaction means that nothing was
// committed, and that the caller's whole transaction can be run again. A COMMIT whose
// answer is lost is looked for by its ID, for 15 seconds; Undecided means that it could
// not be found out: repeat all of it with the same ID (L11).
func CommitWith(ctx context.Context, db *embedded.DB, tx pgx.Tx, group, id string, fn func(tx *mainstem.Txn) error, opts ...mainstem.DoOption) (*mainstem.Receipt, error) {
	c := &commit{db: db, tx: tx, group: group, id: id}
	defer c.rollback(ctx)
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	beside, err := db.Node().Beside(group, c.log, c.append)
	if err != nil {
		return nil, err
	}
	defer beside.Close()
	if err := c.lock(ctx, beside); err != nil {
		return nil, err
	}
	receipt, err := mainstem.New(keeping{beside, c}).Group(group).Do(ctx, id, fn, append(opts, mainstem.Reruns(0))...)
	switch {
	case c.unknown != nil:
		return c.resolve(ctx)
	case !c.ended: // an answer of the tail, which has to be one (L8)
		if unproved := c.prove(ctx); unproved != nil {
			return nil, unproved
		}
	}
	return receipt, err
}

// commit is one CommitWith under way.
type commit struct {
	db        *embedded.DB
	tx        pgx.Tx
	group, id string

	log     *postgres.Log
	part    int
	base    uint64 // the index that the log begins behind
	within  *postgres.Within
	after   journal.Head      // the tail that is locked
	own     *mainstem.Receipt // of what was sent
	unknown error             // why nobody has said what became of COMMIT
	ended   bool
}

// keeping notes the receipt of what was sent, whatever came of it.
type keeping struct {
	*node.Beside
	c *commit
}

func (k keeping) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if t.Refused {
		// A refusal is kept, and what the caller wrote is not: they cannot be one.
		k.c.rollback(ctx)
		return k.c.db.Backend().Commit(ctx, t)
	}
	r, err := k.Beside.Commit(ctx, t)
	k.c.own = r
	if err != nil {
		return nil, err
	}
	return r, nil
}

// rollback ends a transaction that was not committed.
func (c *commit) rollback(ctx context.Context) {
	if c.ended {
		return
	}
	c.ended = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = c.tx.Rollback(ctx) // else the server does it when the connection ends
}

// prepare does what can be done before the tail is locked.
func (c *commit) prepare(ctx context.Context) error {
	if c.id == "" {
		return mainstem.Errorf(mainstem.Invalid, "CommitWith in group %q has no ID, by which it could be found when COMMIT is not answered", c.group)
	}
	if err := mainstem.CheckGroup(c.group); err != nil {
		return err
	}
	log, part, base := c.db.Node().LogOf(c.group)
	var ok bool
	if c.log, ok = log.(*postgres.Log); !ok {
		return mainstem.Errorf(mainstem.Invalid, "the log of this database is not in PostgreSQL: CommitWith has nothing to commit with")
	}
	if status := c.tx.Conn().PgConn().TxStatus(); status != 'T' {
		return mainstem.Errorf(mainstem.RetryTransaction, "the SQL transaction has failed or ended (status %c)", status)
	}
	var err error
	if c.within, err = c.log.Within(ctx, c.tx); err != nil {
		return err
	}
	tail, err := c.within.Tail(ctx, part)
	if err != nil {
		return err
	}
	c.part, c.base = part, base
	return c.db.Node().Reach(ctx, c.group, base+tail)
}

func (c *commit) lock(ctx context.Context, beside *node.Beside) error {
	head, entries, err := c.within.Lock(ctx, c.part, beside.Next())
	if err != nil {
		return err
	}
	c.after = head
	head.Index += c.base
	return beside.Lead(head, entries)
}

// prove sees that the tail which is locked is the one that the node's own way to the
// log leads to: a server that was replaced locks, too.
func (c *commit) prove(ctx context.Context) error {
	n := 0
	for entry, err := range c.log.Read(ctx, c.after.Slot) {
		if err != nil {
			return mainstem.Errorf(mainstem.Unavailable, "the tail in slot %d cannot be proved: %w", c.after.Slot, err)
		}
		if n++; n > 1 || journal.Sum(entry.Record) != c.after.Hash {
			return mainstem.Errorf(mainstem.RetryTransaction, "slot %d was locked as the tail, and for this node it is not (L2)", c.after.Slot)
		}
	}
	return nil
}

// append puts the record into the caller's transaction, and commits that.
func (c *commit) append(ctx context.Context, record []byte) (journal.Head, error) {
	head, err := c.within.Append(ctx, c.part, c.after, record)
	if err != nil {
		return head, err
	}
	err = c.tx.Commit(ctx)
	c.ended = true
	switch {
	case err == nil:
		c.log.Appended(head)
		if err := c.readBack(ctx, head); err != nil {
			c.unknown = err
		}
	case refused(err):
		return head, mainstem.Errorf(mainstem.RetryTransaction, "COMMIT was refused: %w", err)
	default:
		c.unknown = err
	}
	return head, c.unknown
}

// refused reports whether the server said that nothing was committed.
func refused(err error) bool {
	var said *pgconn.PgError
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return true
	}
	if !errors.As(err, &said) || len(said.Code) != 5 {
		return false
	}
	return said.Code[:2] != "08" && said.Code[:3] != "57P"
}

// readBack sees the record in the log, as every node will: a COMMIT that nobody but
// this server has is no longer believed then (L4).
func (c *commit) readBack(ctx context.Context, head journal.Head) error {
	for entry, err := range c.log.Read(ctx, head.Slot) {
		if err != nil {
			return err
		}
		if got := journal.Sum(entry.Record); got != head.Hash {
			return mainstem.Errorf(mainstem.Unavailable, "COMMIT was answered, and slot %d has hash %s, not %s", head.Slot, got, head.Hash)
		}
		return nil
	}
	return mainstem.Errorf(mainstem.Unavailable, "COMMIT was answered, and slot %d is not in the log", head.Slot)
}

// resolve finds out what became of a COMMIT, by its ID at Latest: that is proved at the
// row of the tail, so whichever transaction held the row has ended by then (L11).
func (c *commit) resolve(ctx context.Context) (*mainstem.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LimitResolving)
	defer cancel()
	for {
		r, err := c.known(ctx)
		switch code := mainstem.CodeOf(err); {
		case err == nil && r == nil:
			return nil, mainstem.Errorf(mainstem.RetryTransaction, "COMMIT was not answered, and nothing was committed: %w", c.unknown)
		case err == nil:
			return r, nil
		case ctx.Err() == nil && !code.Retryable():
			return nil, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, mainstem.Errorf(mainstem.Undecided, "transaction %s in group %q: COMMIT was sent, and its answer did not come: %w", c.id, c.group, c.unknown)
		}
	}
}

// known is the receipt of the ID: this call's own, or another's.
func (c *commit) known(ctx context.Context) (*mainstem.Receipt, error) {
	v, err := c.db.Group(c.group).View(ctx, mainstem.Latest())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	r, err := v.Receipt(ctx, c.id)
	if err != nil || r == nil {
		return nil, err
	}
	if c.own != nil && r.Token == c.own.Token {
		r.Replayed = false // it was this call that did it
	}
	return r, nil
}
