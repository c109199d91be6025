package pg

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// isPooled tells whether a connection ends at a pooler: the process that it was
// told of at its beginning is then not the one that answers.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// checkDirect refuses a pooler: a session of one that gives connections for a
// transaction hears nothing, and what it locks stays locked in a session that is
// somebody else's by then.
func checkDirect(ctx context.Context, conn *pgx.Conn) error {
	pooled, err := isPooled(ctx, conn)
	if err == nil && pooled {
		err = mainstem.Errorf(mainstem.Invalid, "Relay.Listen leads through a pooler, where nobody can listen: give the server's own address, or leave it nil, and the relay polls")
	}
	return err
}

// direct refuses a Listen that can be shown to be wrong. What cannot be reached now
// may be later; until then the relay polls.
func (r *Relay) direct(ctx context.Context) error {
	if r.Listen == nil {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, r.Listen.Copy())
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	err = checkDirect(ctx, conn)
	_ = conn.Close(ctx) // it has answered, or is broken
	if mainstem.CodeOf(err) == mainstem.Invalid {
		return err
	}
	return nil
}
