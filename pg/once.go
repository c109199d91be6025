package pg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Request is one request of somebody's, which may come more than once.
type Request struct {
	// Key tells requests apart: at most mainstem.LimitName bytes. It belongs to
	// whoever sends the request, so put the sender's name into it: see Key.
	Key string
	// Hash is what the request asks for, hashed by the caller, at most
	// mainstem.LimitFingerprint bytes: the same key with another hash is IDReused.
	// Empty means that the key alone says it.
	Hash []byte
	// Age is how long the key is kept at least; 0 means DefaultAge. After it Clean
	// may remove it, and the same key runs again, unless Born is set.
	Age time.Duration
	// Born is when the sender made the key, if it says so. A key that is not known
	// and was born more than Age ago is TooOld, and never run: it may have been,
	// and be forgotten.
	Born time.Time
	// Wait is how long to wait for another transaction that has this key, at
	// most MaxWait; after it, and at once if it is 0, the request is InProgress.
	Wait time.Duration
	// Refusals says that fn may end with Refuse. It costs a savepoint, so that
	// what fn wrote can be undone and the refusal kept.
	Refusals bool
	// bounded says that whoever makes the reply has held it to a limit of its own.
	bounded bool
}

// DefaultAge is how long a key is kept unless the request says otherwise.
const DefaultAge = 24 * time.Hour

// The bounds of Request.Age and Request.Wait.
const (
	MinAge  = time.Minute
	MaxAge  = mainstem.LimitTTL
	MaxWait = time.Minute
)

// Reply is what a request was answered, now or the first time.
type Reply struct {
	Body     []byte
	Refused  bool      // fn ended with Refuse
	Replayed bool      // fn did not run
	Made     time.Time // by the server's clock: when Replayed, the first time; else zero
}

// Refuse ends a request's function with a refusal that is remembered as the
// request's reply, while nothing that the function wrote is kept.
func Refuse(body []byte) error { return refusal{body} }

type refusal struct{ body []byte }

func (refusal) Error() string { return "the request is refused, and the refusal remembered" }

// Once runs fn once per key, in the caller's transaction: the key, fn's reply
// and what fn writes through tx are committed by the same COMMIT. The caller
// begins and commits; Run does that too.
//
//   - A key that is new runs fn and keeps its reply.
//   - A key that is known gives the first reply; fn does not run.
//   - A key that another transaction is running waits, bounded by Wait, and then
//     is InProgress. The caller's transaction is as it was.
//   - If fn fails, Once returns its error, and nothing is remembered once the
//     caller rolls back.
//
// In READ COMMITTED that is all. In REPEATABLE READ and SERIALIZABLE a key that
// was committed after the transaction's snapshot is RetryTransaction, before fn
// runs: the snapshot cannot show the reply. So is any other failure that a new
// transaction may not meet again.
//
// An idempotency key is Stripe's and the IETF draft's ("The Idempotency-Key HTTP
// Header Field"); that it must be committed with the effect, see Kleppmann,
// "Designing Data-Intensive Applications", chapter 12.
func Once(ctx context.Context, tx Tx, r Request, fn func(ctx context.Context) ([]byte, error)) (Reply, error) {
	ctx, a := ask(ctx, metricsOf(tx), "pg.once", r.Key)
	defer a.end()
	return a.with(runOnce(ctx, tx, r, a.noting(fn)))
}

func runOnce(ctx context.Context, tx Tx, r Request, fn func(ctx context.Context) ([]byte, error)) (Reply, error) {
	o, err := start(ctx, tx, r)
	if err != nil {
		return Reply{}, err
	}
	if o.reply.Replayed {
		return o.reply, nil
	}
	settled := false
	defer func() {
		if o.row && !settled {
			o.leave(ctx)
		}
	}()
	body, refused, err := o.run(ctx, fn)
	if err != nil {
		return Reply{}, err
	}
	if err := o.settle(ctx, outcome(refused), body); err != nil {
		return Reply{}, err
	}
	settled = true
	return Reply{Body: body, Refused: refused}, nil
}

// leave takes away the row of a request that failed, or panicked: its caller may commit
// all the same, and nobody else could make anything of the row. Where that cannot be
// done, the transaction has failed, or its connection has.
func (o *once) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = o.tx.Exec(ctx, in(o.schema, "DELETE FROM $S.request WHERE key = $1::text AND state = $2::int"), o.Key, stateOpen)
}

// The states of a request's row.
const (
	stateOpen    = 0 // which only the transaction that began it can see
	stateDone    = 1
	stateRefused = 2
	stateClaimed = 3
)

func outcome(refused bool) int {
	if refused {
		return stateRefused
	}
	return stateDone
}

// once is one request under way.
type once struct {
	Request
	tx     Tx
	schema string
	reply  Reply
	row    bool // it has its row since it began
	// elapsed is how long ago the key was first known, by the server's clock.
	elapsed time.Duration
}

// errClaimed is beneath the Undecided of a key that was claimed and never settled.
var errClaimed = errors.New("the outcome is not known")

func (r *Request) check() error {
	switch err := mainstem.CheckName("request", r.Key); {
	case err != nil:
		return err
	case len(r.Hash) > mainstem.LimitFingerprint:
		return mainstem.Errorf(mainstem.TooLarge, "request %.64q has a hash of %d bytes; the limit is %d", r.Key, len(r.Hash), mainstem.LimitFingerprint)
	case r.Age != 0 && r.Age < MinAge, r.Age > MaxAge:
		return mainstem.Errorf(mainstem.Invalid, "request %.64q is to be kept for %s; between %s and %s is possible", r.Key, r.Age, MinAge, MaxAge)
	case r.Wait < 0, r.Wait > MaxWait:
		return mainstem.Errorf(mainstem.Invalid, "request %.64q is to wait for %s; at most %s is possible", r.Key, r.Wait, MaxWait)
	}
	if r.Age == 0 {
		r.Age = DefaultAge
	}
	return nil
}

// start takes the key, and finds out what is known of it.
func start(ctx context.Context, tx Tx, r Request) (*once, error) {
	o := &once{Request: r, tx: tx}
	if err := o.check(); err != nil {
		return o, err
	}
	var err error
	if o.schema, err = schemaOf(tx); err != nil {
		return o, err
	}
	var g glance
	can, err := together(ctx, tx, func(b *pgx.Batch) { g.queue(b, o) })
	if err != nil {
		return o, fault(err, fmt.Sprintf("request %.64q cannot begin", o.Key))
	}
	if can && g.free && !g.known {
		if own := transactionOf(tx); own != nil {
			own.slot = g.slot
		}
		return o, nil
	}
	sql, args := o.opening()
	return o, o.opened(tx.QueryRow(ctx, sql, args...))
}

// opening is the statement by which a request begins.
func (o *once) opening() (sql string, args []any) {
	return in(o.schema, "SELECT $S.once($1::text, $2::bytea, $3::timestamptz, make_interval(secs => $4::float8), $5::int)"),
		[]any{o.Key, bytesOf(o.Hash), o.born(), o.Age.Seconds(), o.Wait.Milliseconds()}
}

func (o *once) born() *time.Time {
	if o.Born.IsZero() {
		return nil
	}
	return &o.Born
}

// glance looks whether a key is new, in a transaction of read committed, and in
// which slot events are now. What is not simply new is asked of once.
type glance struct {
	free, known bool
	slot        int16
}

const (
	freeSQL = "pg_try_advisory_xact_lock($S.request_lock($1::text))" +
		" AND ($2::timestamptz IS NULL OR clock_timestamp() - $2::timestamptz <= make_interval(secs => $3::float8))"
	knownSQL = "EXISTS (SELECT FROM $S.request WHERE key = $1::text)"
)

// queue has two statements look: the second sees what was committed before the
// lock was got, so the reply that is kept meets no other.
func (g *glance) queue(b *pgx.Batch, o *once) {
	b.Queue(in(o.schema, "SELECT current_setting('transaction_isolation') = 'read committed' AND "+freeSQL+", $S.slot()"),
		o.Key, o.born(), o.Age.Seconds()).QueryRow(func(row pgx.Row) error { return row.Scan(&g.free, &g.slot) })
	b.Queue(in(o.schema, "SELECT "+knownSQL), o.Key).QueryRow(func(row pgx.Row) error { return row.Scan(&g.known) })
}

// queueOne has one statement look, in a transaction that Run can run again. It sees
// what was committed before it began: if the key's lock was let go of between that
// and its being taken, the unique key fails the reply and all that came before it
// (L5: nobody could show the first reply yet when this one began).
func (g *glance) queueOne(b *pgx.Batch, o *once) {
	b.Queue(in(o.schema, "SELECT "+freeSQL+", "+knownSQL+", $S.slot()"), o.Key, o.born(), o.Age.Seconds()).
		QueryRow(func(row pgx.Row) error { return row.Scan(&g.free, &g.known, &g.slot) })
}

// opened reads what is known of it.
func (o *once) opened(row pgx.Row) error {
	var text string
	if err := row.Scan(&text); err != nil {
		return fault(err, fmt.Sprintf("request %.64q cannot begin", o.Key))
	}
	switch text {
	case "new":
		return nil
	case "begun":
		o.row = true
		return nil
	case "busy":
		return mainstem.Errorf(mainstem.InProgress, "request %.64q is running in another transaction, and did not end within a wait of %s", o.Key, o.Wait)
	case "old":
		return mainstem.Errorf(mainstem.TooOld, "request %.64q was made at %s, and keys are kept for %s", o.Key, o.Born.UTC().Format(time.RFC3339), o.Age)
	case "retry":
		return mainstem.Errorf(mainstem.RetryTransaction, "request %.64q was committed after this transaction's snapshot", o.Key)
	}
	var known struct {
		Status        string
		Reply         []byte
		Made, Elapsed float64 // seconds
	}
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		return mainstem.Errorf(mainstem.Invalid, "what is known of request %.64q cannot be read (%v): run the SQL that mainstem pg schema prints", o.Key, err)
	}
	o.elapsed = time.Duration(known.Elapsed * float64(time.Second))
	micros := math.Round(known.Made * 1e6)
	return o.judge(known.Status, known.Reply, time.UnixMicro(int64(micros)))
}

// judge tells what a row says.
func (o *once) judge(status string, body []byte, made time.Time) error {
	switch status {
	case "done", "refused":
		o.reply = Reply{Body: body, Refused: status == "refused", Replayed: true, Made: made}
		return nil
	case "reused":
		return mainstem.Errorf(mainstem.IDReused, "request %.64q was another one at %s", o.Key, made.UTC().Format(time.RFC3339))
	case "claimed":
		o.reply.Body = body // what tells this claim from others
		return mainstem.Errorf(mainstem.Undecided, "request %.64q was claimed at %s: %w", o.Key, made.UTC().Format(time.RFC3339), errClaimed)
	default: // open: this very transaction has begun it
		return mainstem.Errorf(mainstem.Invalid, "request %.64q is begun twice in one transaction, the second time within its own function", o.Key)
	}
}

// run runs fn; where it may refuse, above a savepoint.
func (o *once) run(ctx context.Context, fn func(ctx context.Context) ([]byte, error)) (body []byte, refused bool, err error) {
	if !o.Refusals {
		return o.call(ctx, fn)
	}
	name := savepoints.take()
	defer savepoints.giveBack(name)
	if _, err := o.tx.Exec(ctx, "SAVEPOINT "+name); err != nil {
		return nil, false, fault(err, fmt.Sprintf("request %.64q cannot begin", o.Key))
	}
	body, refused, err = o.call(ctx, fn)
	if err != nil {
		return nil, false, err
	}
	verb := "RELEASE SAVEPOINT "
	if refused {
		verb = "ROLLBACK TO SAVEPOINT "
		if own := transactionOf(o.tx); own != nil {
			own.staged = nil // they would be undone, if they could be done at all
		}
	}
	if _, err := o.tx.Exec(ctx, verb+name); err != nil {
		return nil, false, fault(err, fmt.Sprintf("request %.64q cannot end", o.Key))
	}
	return body, refused, nil
}

// call calls fn, and refuses a reply that cannot be kept.
func (o *once) call(ctx context.Context, fn func(ctx context.Context) ([]byte, error)) (body []byte, refused bool, err error) {
	body, err = fn(ctx)
	var no refusal
	if refused = errors.As(err, &no); refused {
		body, err = no.body, nil
	}
	switch {
	case err != nil:
		return nil, false, err
	case len(body) > mainstem.LimitValue && !o.bounded:
		return nil, false, mainstem.Errorf(mainstem.TooLarge, "request %.64q has a reply of %d bytes; the limit is %d", o.Key, len(body), mainstem.LimitValue)
	case refused && !o.Refusals:
		return nil, false, mainstem.Errorf(mainstem.Invalid, "request %.64q is refused by its function, but does not say Refusals", o.Key)
	}
	return body, refused, nil
}

// settlement is the statement that keeps the reply. Nobody else can have
// given the key a row, but by hand; then a unique key, or the count of rows, tells.
func (o *once) settlement(state int, body []byte) (sql string, args []any) {
	sql = "INSERT INTO $S.request (key, hash, state, reply, until) VALUES ($1::text, $2::bytea, $3::int, $4::bytea, clock_timestamp() + make_interval(secs => $5::float8))"
	args = []any{o.Key, bytesOf(o.Hash), state, bytesOf(body), o.Age.Seconds()}
	if o.row {
		sql = `UPDATE $S.request SET state = $3::int, reply = $4::bytea, until = clock_timestamp() + make_interval(secs => $5::float8)
			WHERE key = $1::text AND hash = $2::bytea AND state = $6::int`
		args = append(args, stateOpen)
	}
	return in(o.schema, sql), args
}

// settle keeps the reply.
func (o *once) settle(ctx context.Context, state int, body []byte) error {
	sql, args := o.settlement(state, body)
	if own := transactionOf(o.tx); own != nil && own.db != nil && !o.row {
		err := own.stage(ctx, staged{sql, args}) // an INSERT needs nobody to count its rows
		return fault(err, fmt.Sprintf("the reply of request %.64q cannot be kept", o.Key))
	}
	tag, err := o.tx.Exec(ctx, sql, args...)
	if err != nil {
		return fault(err, fmt.Sprintf("the reply of request %.64q cannot be kept", o.Key))
	}
	if tag.RowsAffected() != 1 {
		return mainstem.Errorf(mainstem.RetryTransaction, "request %.64q was settled by somebody else in the meantime", o.Key)
	}
	return nil
}

// bytesOf never gives SQL a null.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
