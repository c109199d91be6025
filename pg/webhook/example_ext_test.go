package webhook_test

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pg/webhook"
)

// longest is how long a sender may try, and so how long an ID is remembered.
const longest = 90 * 24 * time.Hour

// hook receives events, and books each once, whatever comes again.
func hook(db *pg.DB, receiver *webhook.Receiver) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.LimitBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		m, err := receiver.Verify(r.Header, body, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		request := pg.Request{Key: pg.Key("hook", m.ID), Age: longest}
		_, err = db.Run(r.Context(), request, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			_, err := tx.Exec(ctx, "INSERT INTO booking VALUES ($1::text)", string(m.Event.Data))
			return nil, err
		})
		if err != nil {
			http.Error(w, "come again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
