// Package pg makes writes safe on the PostgreSQL that a service already runs:
// requests that can be retried (Once), events without dual writes (Append, and a
// Relay that hands them on), locks that protect (Hold and Fence), and reads from
// replicas that show one's own writes (Session). It needs a pool of pgx, the tables
// whose SQL Schema prints, and nothing else: no server of its own, no disk, no
// rights to create tables.
//
//	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		reply, err = pg.Once(ctx, tx, pg.Request{Key: pg.Key("charge", orderID)}, func(ctx context.Context) ([]byte, error) {
//			if _, err := tx.Exec(ctx, "INSERT INTO payment …"); err != nil {
//				return nil, err
//			}
//			return body, pg.Append(ctx, tx, "order/"+orderID, event)
//		})
//		return err
//	})
//
// The payment, its event and the key are committed by one COMMIT. A second call
// under the key gives the first reply, whichever pod it comes to.
//
// PostgreSQL 13 or newer. Positions and tokens are ordered by the primary alone;
// what a failover can lose is the server's to say (synchronous_commit).
package pg
