package pg

import (
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
)

// TestCommitThatFails: an error by which the server ends a connection says nothing of
// the COMMIT that it had; any other error of the server's says that nothing is committed.
func TestCommitThatFails(t *testing.T) {
	said := func(state string) error { return &pgconn.PgError{Code: state, Message: "m"} }
	for what, c := range map[string]struct {
		err  error
		want mainstem.Code
	}{
		"no answer":                {io.ErrUnexpectedEOF, mainstem.Undecided},
		"connection failure":       {said("08006"), mainstem.Undecided},
		"protocol violation":       {said("08P01"), mainstem.Undecided},
		"shut down":                {said("57P01"), mainstem.Undecided},
		"crash of another session": {said("57P02"), mainstem.Undecided},
		"serialization":            {said("40001"), mainstem.RetryTransaction},
		"unique key":               {said("23505"), mainstem.RetryTransaction},
		"cancelled":                {said("57014"), mainstem.Cancelled},
		"disk full":                {said("53100"), mainstem.Unavailable},
		"rolled back instead":      {pgx.ErrTxCommitRollback, mainstem.RetryTransaction},
	} {
		if got := mainstem.CodeOf(committed(c.err, "a request")); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
		if err := committed(c.err, "a request"); !errors.Is(err, c.err) {
			t.Errorf("%s: its cause is lost: %v", what, err)
		}
	}
}
