package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ReplicaLag is how far one replica is behind the primary.
type ReplicaLag struct {
	Host string `json:"host"`
	// Bytes of the write-ahead log that it has not replayed; what the primary wrote
	// while it was being asked is not counted.
	Bytes int64 `json:"bytes"`
	// Behind is the age of the commit that it replayed last, by its own clock, if it
	// has not replayed everything; else, and before the first one, 0.
	Behind time.Duration `json:"behind_ns"`
	// Streaming is false if it does not follow, if it follows another server or
	// timeline than the primary's, and if its role may not see that.
	Streaming bool `json:"streaming"`
	// Err is why it could not be asked; then nothing else is known.
	Err error `json:"-"`
}

// Lag asks the primary where it is, and then each replica, in the order of
// Replicas. A replica that does not answer within a second has an Err.
func (r *Readers) Lag(ctx context.Context) ([]ReplicaLag, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	primary, err := r.place(ctx, r.DB.Pool)
	if err != nil {
		return nil, err
	}
	lags := make([]ReplicaLag, len(r.Replicas))
	for i, pool := range r.Replicas {
		asking, cancel := context.WithTimeout(ctx, replicaPatience)
		here, err := r.place(asking, pool)
		cancel()
		l := ReplicaLag{Host: pool.Config().ConnConfig.Host, Err: err}
		if err == nil {
			l.Streaming = here.standby && here.of(primary)
			if l.Bytes = max(0, int64(primary.lsn)-int64(here.lsn)); l.Bytes > 0 {
				l.Behind = max(0, here.behind)
			}
		}
		lags[i] = l
	}
	return lags, nil
}

func (r *Readers) place(ctx context.Context, pool *pgxpool.Pool) (here seen, err error) {
	err = here.scan(pool.QueryRow(ctx, r.DB.sql(seenSQL)))
	return here, err
}
