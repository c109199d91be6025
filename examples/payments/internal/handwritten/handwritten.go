// Package handwritten is the same service as it is found in many places: a table
// of idempotency keys, an outbox with a poller under an advisory lock, a job under
// a lease row. Nothing in it is sabotaged. Each part makes one well-known mistake,
// which its comment names.
package handwritten

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/provider"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

// Service is what one pod runs.
type Service struct {
	name     string
	db       *pgxpool.Pool
	replica  *pgxpool.Pool
	provider *provider.Caller
}

// New makes the service of a pod of that name.
func New(name string, primary, replica *pgxpool.Pool, caller *provider.Caller) *Service {
	return &Service{name: name, db: primary, replica: replica, provider: caller}
}

// Handler is the service's HTTP.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /payments", s.request)
	mux.HandleFunc("GET /payments/{order}", s.show)
	mux.HandleFunc("POST /confirmations", s.confirm)
	return mux
}

// request looks the key up, does the work, and then keeps the answer.
//
// The mistake: key and payment are committed apart. A repetition that comes while
// the first one runs, or after a crash between the two, pays again.
func (s *Service) request(w http.ResponseWriter, r *http.Request) {
	ctx, key := r.Context(), r.Header.Get(wire.KeyHeader)
	var p wire.Payment
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Order == "" || p.Amount <= 0 || key == "" {
		http.Error(w, "a payment needs a key, an order and an amount", http.StatusBadRequest)
		return
	}
	var kept wire.Payment
	switch err := s.db.QueryRow(ctx, "SELECT response FROM idempotency WHERE key = $1", key).Scan(&kept); {
	case err == nil:
		wire.Answer(w, http.StatusCreated, kept)
		return
	case !errors.Is(err, pgx.ErrNoRows):
		unavailable(w, "looking up a key", err)
		return
	}
	p.Status = "pending"
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, "INSERT INTO payment (order_id, amount, status) VALUES ($1, $2, $3) RETURNING id", p.Order, p.Amount, p.Status).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO outbox (payment, order_id, amount) VALUES ($1, $2, $3)", id, p.Order, p.Amount)
		return err
	})
	if err != nil {
		unavailable(w, "noting a payment", err)
		return
	}
	if _, err := s.db.Exec(ctx, "INSERT INTO idempotency (key, response) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, p); err != nil {
		unavailable(w, "keeping an answer", err)
		return
	}
	wire.Answer(w, http.StatusCreated, p)
}

// show reads on the replica, to take load off the primary.
//
// The mistake: the replica is behind, and does not know of what was just paid.
func (s *Service) show(w http.ResponseWriter, r *http.Request) {
	p := wire.Payment{Order: r.PathValue("order")}
	err := s.replica.QueryRow(r.Context(), "SELECT amount, status, pg_is_in_recovery() FROM payment WHERE order_id = $1 LIMIT 1", p.Order).
		Scan(&p.Amount, &p.Status, &p.Replica)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		http.Error(w, "there is no such payment", http.StatusNotFound)
	case err != nil:
		unavailable(w, "reading a payment", err)
	default:
		wire.Answer(w, http.StatusOK, p)
	}
}

// confirm posts the provider's fee, unless that confirmation was posted before.
//
// The mistake: two of the same that come at once both find that it was not.
func (s *Service) confirm(w http.ResponseWriter, r *http.Request) {
	var m wire.Confirmation
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID == "" {
		http.Error(w, "this is no confirmation", http.StatusBadRequest)
		return
	}
	err := pgx.BeginFunc(r.Context(), s.db, func(tx pgx.Tx) error {
		var known bool
		err := tx.QueryRow(r.Context(), "SELECT EXISTS (SELECT FROM posting WHERE source = $1)", m.ID).Scan(&known)
		if err != nil || known {
			return err
		}
		_, err = tx.Exec(r.Context(), "INSERT INTO posting (order_id, kind, amount, source) VALUES ($1, 'fee', $2, $3)", m.Order, m.Fee, m.ID)
		return err
	})
	if err != nil {
		unavailable(w, "posting a fee", err)
		return
	}
	wire.Answer(w, http.StatusOK, m.ID)
}

func unavailable(w http.ResponseWriter, what string, err error) {
	slog.Warn(what, "err", err)
	http.Error(w, what+" is not possible now; come again", http.StatusServiceUnavailable)
}

// Work polls and settles until ctx ends.
func (s *Service) Work(ctx context.Context) error {
	var tasks sync.WaitGroup
	for what, task := range map[string]func(context.Context) error{"polling": s.poll, "settling": s.settle} {
		tasks.Go(func() {
			for ctx.Err() == nil {
				if err := task(ctx); err != nil && ctx.Err() == nil {
					slog.Warn(what, "err", err)
				}
				_ = pace.Pause(ctx, pollEvery)
			}
		})
	}
	tasks.Wait()
	return nil
}
