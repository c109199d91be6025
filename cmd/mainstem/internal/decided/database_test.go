package decided

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// database makes an empty database of a server, and says how to connect to it.
func database(t *testing.T, server *pgserver.Server, name string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(server.DSN(), "dbname=postgres", "dbname="+name, 1)
}
