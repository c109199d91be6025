package peer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

var sqlitePeer = Peer{Name: "sqlite", Kinds: []Kind{CAS, Add, Append, Get}, Open: openSQLite}

// lite is SQLite as WAL with FULL: one connection writes, others read beside it.
// Writers queue in this process, which is cheaper than SQLite's own waiting.
type lite struct {
	write, read *sql.DB
	turn        sync.Mutex

	insert, update, take, add, get *sql.Stmt
}

const liteSchema = `
CREATE TABLE IF NOT EXISTS keys (k INTEGER PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (stream INTEGER, number INTEGER, data BLOB NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL CHECK (n >= 0));
INSERT INTO counter VALUES (1, %d) ON CONFLICT DO NOTHING;`

func openSQLite(ctx context.Context, c Config) (System, error) {
	name := "file:" + filepath.Join(c.Dir, "lite.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)"
	s := &lite{}
	var err error
	if s.write, err = sql.Open("sqlite", name); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if _, err := s.write.ExecContext(ctx, fmt.Sprintf(liteSchema, int64(counterStart))); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	if s.read, err = sql.Open("sqlite", name); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(4)
	s.read.SetMaxIdleConns(4)
	for _, p := range []struct {
		to  **sql.Stmt
		db  *sql.DB
		sql string
	}{
		{&s.insert, s.write, "INSERT INTO keys VALUES (?, 1, ?)"},
		{&s.update, s.write, "UPDATE keys SET version = version + 1, value = ? WHERE k = ? AND version = ?"},
		{&s.take, s.write, "UPDATE counter SET n = n - 1 WHERE n > 0"},
		{&s.add, s.write, "INSERT INTO events SELECT ?1, ?2 + 1, ?3 WHERE ?2 = coalesce((SELECT max(number) FROM events WHERE stream = ?1), 0)"},
		{&s.get, s.read, "SELECT version, value FROM keys WHERE k = ?"},
	} {
		if *p.to, err = p.db.PrepareContext(ctx, p.sql); err != nil { //nolint:sqlclosecheck // they live as long as their connections
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Do runs one operation in a transaction of its own.
func (s *lite) Do(ctx context.Context, op *Op) (uint64, error) {
	switch op.Kind {
	case CAS:
		if op.Version == 0 {
			return 1, s.one(ctx, s.insert, op.Key, op.Value)
		}
		return op.Version + 1, s.one(ctx, s.update, op.Value, op.Key, int64(op.Version))
	case Add:
		return 0, s.one(ctx, s.take)
	case Append:
		return op.Version + 1, s.one(ctx, s.add, op.Client, int64(op.Version), op.Value)
	case Get:
		var version uint64
		var value []byte
		err := s.get.QueryRowContext(ctx, op.Key).Scan(&version, &value)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return version, err
	default:
		return 0, unsupported(op.Kind)
	}
}

// one runs a statement that must change exactly one row.
func (s *lite) one(ctx context.Context, stmt *sql.Stmt, args ...any) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	r, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errVersion, err)
	}
	return nil
}

// Settings are asked from the connection that writes.
func (s *lite) Settings() map[string]string {
	settings := map[string]string{"connections": "1 writes, 4 read", "gathering": "none: a transaction, a sync", "driver": "modernc.org/sqlite, without cgo"}
	for pragma, meaning := range map[string]map[string]string{
		"journal_mode": nil, "synchronous": {"0": "OFF", "1": "NORMAL", "2": "FULL", "3": "EXTRA"},
		"wal_autocheckpoint": nil, "cache_size": nil, "page_size": nil,
	} {
		var value string
		if err := s.write.QueryRow("PRAGMA " + pragma).Scan(&value); err != nil {
			value = err.Error()
		}
		if word, ok := meaning[value]; ok {
			value = word
		}
		settings[pragma] = value
	}
	return settings
}

// Close closes both handles; statements go with them.
func (s *lite) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }
