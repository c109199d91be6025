package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Watch has the connections of a configuration remember what their server says of
// standbys. Call it on the pool's ConnConfig before the pool is made, where
// synchronous_standby_names is set: a COMMIT whose wait for the standby was
// cancelled (pg_cancel_backend) succeeds with a warning, and by that alone can
// DB.Run tell that perhaps no standby has it. Then it is Undecided. Handlers that
// are there already are called too.
func Watch(config *pgx.ConnConfig) {
	said, connected := config.OnNotice, config.AfterConnect
	config.OnNotice = func(conn *pgconn.PgConn, notice *pgconn.Notice) {
		// The routine is the server's own, where the text depends on its language,
		// and anybody's trigger can warn.
		if notice.Routine == "SyncRepWaitForLSN" {
			conn.CustomData()[warningKey] = notice.Message
		}
		if said != nil {
			said(conn, notice)
		}
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		conn.CustomData()[watchedKey] = true
		if connected != nil {
			return connected(ctx, conn)
		}
		return nil
	}
}

const (
	warningKey = "mainstem.warning"
	watchedKey = "mainstem.watched"
)

// unwarned forgets the last warning, and returns it.
func unwarned(conn *pgx.Conn) string {
	data := conn.PgConn().CustomData()
	warning, _ := data[warningKey].(string)
	delete(data, warningKey)
	return warning
}
