package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// Config says where a log is.
type Config struct {
	// URL is how to reach the server, as libpq and pgx read it. Several hosts may be
	// named: the one that takes writes is found.
	URL string
	// Schema is where Schema's SQL was run; empty means DefaultSchema.
	Schema string
	// AcceptWeak goes on where settings of the server weaken the promise. Everything
	// then says so.
	AcceptWeak bool
	// Connections is the most that are open at once; 0 means DefaultConnections.
	Connections int
}

// Defaults of the engine.
const (
	// DefaultConnections is how many connections a node opens at most, beside the one
	// that listens.
	DefaultConnections = 8
	// Patience is how long a statement may take; an append that takes longer is
	// unknown, and a read fails.
	Patience = 30 * time.Second
	// dialTimeout bounds making a connection.
	dialTimeout = 5 * time.Second
)

// server is what the logs of one database share in this process.
type server struct {
	pool   *pgxpool.Pool
	schema string
	id     [16]byte
	watch  *watcher
	open   atomic.Int32 // logs that are not closed

	life context.Context // ends with the last log, and with it what still waits for an answer
	end  context.CancelFunc
}

// Open reaches the log of a database. Its logs share connections, which end with the
// last of them that is closed.
func Open(ctx context.Context, c Config) (*journal.Database, error) {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	if err := checkSchema(c.Schema); err != nil {
		return nil, err
	}
	config, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "the server's URL: %w", err)
	}
	s := &server{pool: pool, schema: c.Schema}
	s.life, s.end = context.WithCancel(context.Background())
	d, err := s.describe(ctx)
	if err == nil && len(d.Guarantees.Weak) > 0 && !c.AcceptWeak {
		e := mainstem.Errorf(mainstem.Weak, "the server can lose what it has acknowledged: %s", strings.Join(d.Guarantees.Weak, "; "))
		e.Advice = "change these settings, or accept weak durability by name; then everything says so"
		err = e
	}
	if err != nil {
		s.end()
		pool.Close()
		return nil, err
	}
	s.watch = newWatcher(s, len(d.Logs))
	s.open.Store(int32(len(d.Logs)))
	d.Blobs = &blobs{server: s}
	return d, nil
}

func poolConfig(c Config) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		e := mainstem.Errorf(mainstem.Invalid, "the server's URL does not parse")
		e.Advice = "it looks like postgres://USER@HOST:PORT/DATABASE; the password is best given by PGPASSFILE"
		return nil, e // pgx shows the URL, and with it a password
	}
	config.MaxConns = int32(c.Connections)
	if config.MaxConns <= 0 {
		config.MaxConns = DefaultConnections
	}
	conn := config.ConnConfig
	// Statements that stay prepared do not survive a transaction pooler.
	conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn.ConnectTimeout = dialTimeout
	conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "mainstem"
	}
	conn.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warned] = n.Message
		}
	}
	return config, nil
}

// warned is where a connection keeps the last warning that the server gave: at
// COMMIT it says that the commit is not as safe as was asked.
const warned = "mainstem warned"

// describe reads what the log is and what the server promises.
func (s *server) describe(ctx context.Context) (*journal.Database, error) {
	var (
		found, partitions, version int
		d                          = new(journal.Database)
		set                        settings
	)
	err := s.query(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, s.in(`SELECT layout, id, partitions, current_setting('server_version_num')::int,
			current_setting('fsync'), current_setting('full_page_writes'), current_setting('data_checksums'),
			current_setting('synchronous_standby_names') FROM $S.database`)).
			Scan(&found, &d.ID, &partitions, &version, &set.fsync, &set.pages, &set.checksums, &set.standbys)
	})
	switch {
	case code(err) == undefinedTable || code(err) == undefinedSchema:
		e := mainstem.Errorf(mainstem.Invalid, "schema %s holds no log", s.schema)
		e.Advice = "run the SQL that mainstem cluster schema prints, as the schema's owner"
		return nil, e
	case code(err) == insufficientPrivilege:
		return nil, mainstem.Errorf(mainstem.Denied, "schema %s: %w: print its SQL with --grant ROLE", s.schema, err)
	case err != nil:
		return nil, mainstem.Errorf(mainstem.Unavailable, "the server of schema %s: %w", s.schema, err)
	case version < 130000:
		return nil, mainstem.Errorf(mainstem.Invalid, "the server has version %d; 13 is the least", version/10000)
	case found != layout:
		return nil, mainstem.Errorf(mainstem.Invalid, "schema %s has layout %d, this program needs %d: print the SQL again and run it", s.schema, found, layout)
	}
	for part := range partitions {
		d.Logs = append(d.Logs, newLog(s, part))
	}
	s.id, d.Guarantees = d.ID, set.guarantees()
	return d, nil
}

// query runs fn on a connection, for Patience at most, and tells where the server
// warned meanwhile. The context of fn is what bounds it.
func (s *server) query(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	return s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		data := c.Conn().PgConn().CustomData()
		delete(data, warned)
		err := fn(ctx, c.Conn())
		if what, ok := data[warned]; ok && err == nil {
			return fmt.Errorf("%w: %s", errWarned, what)
		}
		return err
	})
}

// in puts the schema's name where a statement has a $S.
func (s *server) in(statement string) string { return in(s.schema, statement) }

func in(schema, statement string) string {
	return strings.ReplaceAll(statement, "$S", quote(schema))
}

// leave closes the connections with the last log.
func (s *server) leave() {
	if s.open.Add(-1) == 0 {
		s.end() // an append can hang for as long as the server does, and nobody hears of it any more
		s.watch.close()
		s.pool.Close()
	}
}
