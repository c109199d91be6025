// Package service is the payment service as it is written with package pg. Every
// pod runs all of it: the endpoint, the relay with its consumers, and the
// settlement.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/examples/payments/internal/provider"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
	"github.com/mainstemdb/mainstem/pg"
)

// Service is what one pod runs.
type Service struct {
	db       *pg.DB
	readers  *pg.Readers
	provider *provider.Caller
}

// TTL is how long others wait for a pod that holds a lease and is silent.
const TTL = 1500 * time.Millisecond

// New makes a service of pools to the primary, whose configuration pg.Watch has
// seen, and to replicas.
func New(primary *pgxpool.Pool, replicas []*pgxpool.Pool, caller *provider.Caller) *Service {
	db := &pg.DB{Pool: primary}
	return &Service{
		db:       db,
		readers:  &pg.Readers{DB: db, Replicas: replicas, Wait: 100 * time.Millisecond},
		provider: caller,
	}
}

// The types of events, and what they carry: a wire.Payment and a wire.Charge.
const (
	requested = "payment.requested.v1"
	charged   = "payment.charged.v1"
)

// Handler is the service's HTTP. The session goes outside, so that a repeated
// answer carries a token too.
func (s *Service) Handler() http.Handler {
	idempotent := &pg.HTTP{DB: s.db, Who: account, Required: true, Wait: time.Second}
	mux := http.NewServeMux()
	mux.Handle("POST /payments", idempotent.InTransaction(http.HandlerFunc(s.request)))
	mux.HandleFunc("GET /payments/{order}", s.show)
	mux.HandleFunc("POST /confirmations", s.confirm)
	return s.readers.Handler(mux)
}

// account is who sends a request; here there is one customer's account for all.
func account(*http.Request) string { return "shop" }

// request notes a payment and that it is to be charged, in the transaction that
// keeps the answer under the client's key.
func (s *Service) request(w http.ResponseWriter, r *http.Request) {
	var p wire.Payment
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Order == "" || p.Amount <= 0 {
		http.Error(w, "a payment needs an order and an amount", http.StatusBadRequest)
		return
	}
	p.Status = "pending"
	ctx, tx := r.Context(), pg.TxOf(r.Context())
	_, err := tx.Exec(ctx, "INSERT INTO payment (order_id, amount, status) VALUES ($1, $2, $3)", p.Order, p.Amount, p.Status)
	if err == nil {
		err = appendEvent(ctx, tx, p.Order, requested, p)
	}
	if err != nil {
		unavailable(w, "noting a payment", err)
		return
	}
	wire.Answer(w, http.StatusCreated, p)
}

// show reads on a replica that has replayed what the client's session has seen.
func (s *Service) show(w http.ResponseWriter, r *http.Request) {
	p := wire.Payment{Order: r.PathValue("order")}
	err := pg.SessionOf(r.Context()).Read(r.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT amount, status, pg_is_in_recovery() FROM payment WHERE order_id = $1", p.Order).Scan(&p.Amount, &p.Status, &p.Replica)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		http.Error(w, "there is no such payment", http.StatusNotFound)
	case err != nil:
		unavailable(w, "reading a payment", err)
	default:
		wire.Answer(w, http.StatusOK, p)
	}
}

// confirm posts the provider's fee. The message has a name, so it is a request
// like any other, however often and wherever it comes.
func (s *Service) confirm(w http.ResponseWriter, r *http.Request) {
	var m wire.Confirmation
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID == "" {
		http.Error(w, "this is no confirmation", http.StatusBadRequest)
		return
	}
	_, err := s.db.Run(r.Context(), pg.Request{Key: pg.Key("confirmation", m.ID), Wait: time.Second},
		func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			_, err := tx.Exec(ctx, "INSERT INTO posting (order_id, kind, amount) VALUES ($1, 'fee', $2)", m.Order, m.Fee)
			return nil, err
		})
	if err != nil {
		unavailable(w, "posting a fee", err)
		return
	}
	wire.Answer(w, http.StatusOK, m.ID)
}

// unavailable asks the client to come again under the same key.
func unavailable(w http.ResponseWriter, what string, err error) {
	slog.Warn(what, "err", err)
	http.Error(w, what+" is not possible now; come again", http.StatusServiceUnavailable)
}

func appendEvent(ctx context.Context, tx pgx.Tx, order, kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return pg.Append(ctx, tx, "order/"+order, mainstem.Event{Type: kind, Data: data})
}

// Work runs the relay, its consumers and the settlement until ctx ends. An error
// is one that somebody has to look at.
func (s *Service) Work(ctx context.Context) error {
	relay := &pg.Relay{DB: s.db, Listen: s.db.Pool.Config().ConnConfig, TTL: TTL}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var tasks sync.WaitGroup
	for _, task := range []func(context.Context) error{
		relay.Run,
		func(ctx context.Context) error {
			return relay.Consume(ctx, pg.Consumer{Name: "charger", Deliver: s.charge, Max: 256})
		},
		func(ctx context.Context) error {
			return relay.ConsumeInto(ctx, pg.Into{Consumer: pg.Consumer{Name: "ledger"}, Target: s.db, Apply: post})
		},
		s.settle,
	} {
		tasks.Go(func() {
			if err := task(ctx); err != nil {
				fail(err)
			}
		})
	}
	tasks.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
