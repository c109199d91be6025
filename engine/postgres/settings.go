package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem/journal"
)

// Codes of the server's errors (PostgreSQL documentation, appendix A).
const (
	undefinedTable        = "42P01"
	undefinedSchema       = "3F000"
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
)

// code is the server's, or empty.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ending reports whether the server ended the connection by itself, or a pooler says that
// its own to the server broke (class 08): a transaction may have committed before.
func ending(err error) bool {
	return strings.HasPrefix(code(err), "57P") || strings.HasPrefix(code(err), "08")
}

var errWarned = errors.New("the server warned at COMMIT")

// settings are the server's on which the promise rests.
type settings struct{ fsync, pages, checksums, standbys string }

func (s settings) guarantees() journal.Guarantees {
	g := journal.Guarantees{Engine: "postgres", Synced: s.fsync == "on", Machines: 1 + quorum(s.standbys), Copies: 1 + named(s.standbys)}
	for _, w := range []struct{ name, value, so string }{
		{"fsync", s.fsync, "a crash of the machine can lose or damage everything"},
		{"full_page_writes", s.pages, "a crash of the machine can damage pages"},
	} {
		if w.value != "on" {
			g.Weak = append(g.Weak, fmt.Sprintf("%s is %s: %s", w.name, w.value, w.so))
		}
	}
	g.Loses = "the loss of the server's disk"
	if n := g.Machines; n > 1 {
		g.Loses = fmt.Sprintf("the loss of the disks of %d servers at once, or promoting a standby that was not synchronous", n)
	}
	if s.checksums != "on" {
		g.Loses += "; the server has no data checksums, so that it does not notice damage itself (each record has its own)"
	}
	return g
}

// Promise is what an acknowledgement means on a server with sound settings that has
// these synchronous_standby_names; empty ones are none.
func Promise(standbys string) journal.Guarantees {
	return settings{fsync: "on", pages: "on", checksums: "on", standbys: standbys}.guarantees()
}

// named is how many standbys synchronous_standby_names can count, at least: a * is any.
func named(names string) int {
	if quoted.MatchString(names) {
		return 0
	}
	if open, end := strings.Index(names, "("), strings.LastIndex(names, ")"); open >= 0 && end > open {
		names = names[open+1 : end]
	}
	return max(quorum(names), 1+strings.Count(names, ","))
}

var (
	counted = regexp.MustCompile(`(?i)^\s*(?:(?:first|any)\s+)?(\d+)\s*\(`)
	quoted  = regexp.MustCompile(`^\s*$`)
)

// quorum is how many standbys a commit waits for, by synchronous_standby_names.
func quorum(names string) int {
	if quoted.MatchString(names) {
		return 0
	}
	if m := counted.FindStringSubmatch(names); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1 // a plain list waits for the first of it
}
