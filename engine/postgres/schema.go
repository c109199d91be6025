package postgres

import (
	_ "embed" // for the schema
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/mainstemdb/mainstem"
)

// DefaultSchema is the SQL schema of a log unless it is called otherwise.
const DefaultSchema = "mainstem_log"

// Limits of a log (L10).
const (
	// MaxPartitions is the most partitions of one log.
	MaxPartitions = 4096
	// LimitSchema is the most bytes of the name of a schema.
	LimitSchema = 48
)

// layout is the version of the tables and functions that this program needs.
const layout = 3

// rings is how many tables records go to in turn.
const rings = 8

// TailTimeout is how long who appends waits for the tail: it is held for as long as
// another append takes, or until the server notices that its client is gone.
const TailTimeout = 10 * time.Second

//go:embed schema.sql
var source string

var (
	schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)
	schemaSQL  = template.Must(template.New("schema").Parse(source))
)

func checkSchema(name string) error {
	if !schemaName.MatchString(name) {
		return mainstem.Errorf(mainstem.Invalid, "schema %.64q: 1 to %d small letters, digits and underscores, not beginning with a digit", name, LimitSchema)
	}
	return nil
}

// Schema is the SQL that makes a log of so many partitions, or brings an older
// layout up to date: run it as the schema's owner, as often as you like. Where role
// is not empty, that role is granted what a node needs at run time, and no more; no
// part of it is the right to create or alter.
func Schema(name string, partitions int, role string) (string, error) {
	if err := checkSchema(name); err != nil {
		return "", err
	}
	if partitions < 1 || partitions > MaxPartitions {
		return "", mainstem.Errorf(mainstem.Invalid, "%d partitions; there may be 1 to %d", partitions, MaxPartitions)
	}
	if len(role) > 63 || strings.ContainsRune(role, 0) {
		return "", mainstem.Errorf(mainstem.Invalid, "role %.64q: at most 63 bytes, without NUL", role)
	}
	data := struct {
		Schema, Quoted, Name, Role, LockTimeout string
		Version, Partitions, Last               int
		Each                                    []int
	}{
		Schema: quote(name), Quoted: quote(name), Name: name, LockTimeout: strconv.Itoa(int(TailTimeout/time.Second)) + "s",
		Version: layout, Partitions: partitions, Last: rings - 1,
	}
	if role != "" {
		data.Role = quote(role)
	}
	for k := range rings {
		data.Each = append(data.Each, k)
	}
	var sql strings.Builder
	err := schemaSQL.Execute(&sql, data)
	return sql.String(), err
}

// quote makes an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
