package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Request is a payment: a row of the business, an event or a job for others, and
// the key that makes it safe to repeat, in one transaction on PostgreSQL.
const Request Kind = "request"

var (
	pgRunPeer       = Peer{Name: "pg.Run", Ours: true, Kinds: []Kind{Request}, Open: requests(mainstemTables, pgRun)}
	pgOncePeer      = Peer{Name: "pg.Once", Ours: true, Kinds: []Kind{Request}, Open: requests(mainstemTables, pgOnce)}
	pgBeginPeer     = Peer{Name: "pg.Begin", Ours: true, Kinds: []Kind{Request}, Open: requests(mainstemTables, pgBegin)}
	handwrittenPeer = Peer{Name: "handwritten", Kinds: []Kind{Request}, Open: requests(handwrittenTables, handwritten)}
	riverPeer       = Peer{Name: "river", Kinds: []Kind{Request}, Open: requests(riverTables, riverPay)}
)

// payment is one request: what it inserts, and what it answers.
type payment struct {
	key, order         string
	hash, reply, event []byte
}

const (
	paymentTable     = "CREATE TABLE payment (id bigserial PRIMARY KEY, order_id text NOT NULL, cents bigint NOT NULL)"
	idempotencyTable = "CREATE TABLE idempotency (key text PRIMARY KEY, hash bytea NOT NULL, reply bytea NOT NULL, made timestamptz NOT NULL DEFAULT now())"
	outboxTable      = `CREATE TABLE outbox (id bigserial PRIMARY KEY, stream text NOT NULL, type text NOT NULL, data bytea NOT NULL,
		made timestamptz NOT NULL DEFAULT now())`

	// replyBytes is the size of a reply and of an event, hashBytes that of SHA-256.
	replyBytes, hashBytes = 200, 32
	eventType             = "paid"
	// mostConnections is as many as a pool gets, however many the clients are.
	mostConnections = 256
)

// payer does one payment.
type payer func(ctx context.Context, p *payment) error

// requestSystem is a way of doing payments.
type requestSystem struct {
	*Database
	pay  payer
	hash []byte
	data []byte
}

// requests makes a peer of what creates its tables and what pays.
func requests(tables func(context.Context, *Database) error, pay func(*Database) (payer, error)) func(context.Context, Config) (System, error) {
	return func(ctx context.Context, c Config) (System, error) {
		s, err := openRequests(ctx, c, min(c.Clients, mostConnections), tables, pay)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

func openRequests(ctx context.Context, c Config, connections int, tables func(context.Context, *Database) error,
	pay func(*Database) (payer, error),
) (*requestSystem, error) {
	d, err := openDatabase(ctx, c, connections)
	if err != nil {
		return nil, err
	}
	s := &requestSystem{Database: d, hash: make([]byte, hashBytes), data: make([]byte, replyBytes)}
	if !d.found {
		err = tables(ctx, d)
	}
	if err == nil {
		s.pay, err = pay(d)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Do does one payment under a key that nobody has used: keys are random, as
// clients make them.
func (s *requestSystem) Do(ctx context.Context, op *Op) (uint64, error) {
	if op.Kind != Request {
		return 0, unsupported(op.Kind)
	}
	return 1, s.pay(ctx, s.payment())
}

func (s *requestSystem) payment() *payment {
	key := fmt.Sprintf("charge/%016x%016x", rand.Uint64(), rand.Uint64())
	return &payment{key: key, order: key[:16], hash: s.hash, reply: s.data, event: s.data}
}

func insertPayment(ctx context.Context, tx pgx.Tx, p *payment) error {
	_, err := tx.Exec(ctx, "INSERT INTO payment (order_id, cents) VALUES ($1, $2)", p.order, 500)
	return err
}

func mainstemTables(ctx context.Context, d *Database) error {
	sql, err := pg.Schema(pg.DefaultSchema, "")
	if err != nil {
		return err
	}
	return d.run(ctx, sql+paymentTable)
}

// pgRun is a payment as the package's pages say it.
func pgRun(d *Database) (payer, error) {
	db := &pg.DB{Pool: d.Pool}
	return func(ctx context.Context, p *payment) error { return payByRun(ctx, db, p, 0) }, nil
}

func payByRun(ctx context.Context, db *pg.DB, p *payment, age time.Duration) error {
	_, err := db.Run(ctx, pg.Request{Key: p.key, Hash: p.hash, Age: age}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		return p.reply, payAndAppend(ctx, tx, p)
	})
	return err
}

// pgOnce is the same in a transaction that the caller begins and commits.
func pgOnce(d *Database) (payer, error) {
	return func(ctx context.Context, p *payment) error { return payByOnce(ctx, d.Pool, p) }, nil
}

// pgBegin is that in a transaction which DB.Begin began.
func pgBegin(d *Database) (payer, error) {
	db := &pg.DB{Pool: d.Pool}
	return func(ctx context.Context, p *payment) error { return payByOnce(ctx, db, p) }, nil
}

// begins is what pgx.BeginFunc takes.
type begins interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

func payByOnce(ctx context.Context, b begins, p *payment) error {
	return pgx.BeginFunc(ctx, b, func(tx pgx.Tx) error {
		_, err := pg.Once(ctx, tx, pg.Request{Key: p.key, Hash: p.hash}, func(ctx context.Context) ([]byte, error) {
			return p.reply, payAndAppend(ctx, tx, p)
		})
		return err
	})
}

func payAndAppend(ctx context.Context, tx pgx.Tx, p *payment) error {
	if err := insertPayment(ctx, tx, p); err != nil {
		return err
	}
	return pg.Append(ctx, tx, p.order, mainstem.Event{Type: eventType, Data: p.event})
}

func handwrittenTables(ctx context.Context, d *Database) error {
	return d.run(ctx, paymentTable+";"+idempotencyTable+";"+outboxTable)
}

// handwritten is what one writes by hand: the least that can tell a repetition,
// and a row for somebody to poll.
func handwritten(d *Database) (payer, error) {
	return func(ctx context.Context, p *payment) error {
		return pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
			if err := claimKey(ctx, tx, p); err != nil {
				return err
			}
			if err := insertPayment(ctx, tx, p); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO outbox (stream, type, data) VALUES ($1, $2, $3)", p.order, eventType, p.event)
			return err
		})
	}, nil
}

func claimKey(ctx context.Context, tx pgx.Tx, p *payment) error {
	tag, err := tx.Exec(ctx, "INSERT INTO idempotency (key, hash, reply) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", p.key, p.hash, p.reply)
	if err == nil && tag.RowsAffected() != 1 {
		err = errVersion
	}
	return err
}
