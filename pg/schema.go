package pg

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/mainstemdb/mainstem"
)

// DefaultSchema is the SQL schema of Mainstem's tables unless In says otherwise.
const DefaultSchema = "mainstem"

// layout is the version of the tables and functions that this program needs.
const layout = 3

// printNumber is the number of the SQL that this program prints: it grows with each change, so
// that an older program and an older schema are told apart. See testdata/prints.
const printNumber = 1

// Staged events lie in a ring of tables: one more is begun every so many
// seconds, and each is emptied whole when all of it was delivered.
const (
	slots       = 4
	slotSeconds = 900
)

// drainMost is how many events are numbered in one transaction at most: a few
// seconds of work. Each such step looks through the index of all that is left.
const drainMost = 250_000

//go:embed schema.sql relay.sql session.sql
var sources embed.FS

// schemaName is what needs no quotes in SQL beyond those we put, and leaves room
// for names derived from it.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)

func checkSchema(name string) error {
	if !schemaName.MatchString(name) {
		return mainstem.Errorf(mainstem.Invalid, "schema %.64q: 1 to 48 small letters, digits and underscores, not beginning with a digit", name)
	}
	return nil
}

// Schema is the SQL that makes everything package pg needs, or brings an older
// layout up to date: run it as the schema's owner, as often as you like. Where
// role is not empty, that role is granted what a service needs at run time, and
// no more; no part of it is the right to create or alter.
func Schema(name, role string) (string, error) {
	if err := checkSchema(name); err != nil {
		return "", err
	}
	if len(role) > 63 || strings.ContainsRune(role, 0) {
		return "", mainstem.Errorf(mainstem.Invalid, "role %.64q: at most 63 bytes, without NUL", role)
	}
	data := struct {
		Schema, Name, Role, Hash string
		Version, Print           int
		Slots, Last, Turn        int
		Most                     int
		Each                     []int
		Grants                   []string
	}{Schema: quote(name), Name: name, Hash: hash(), Version: layout, Print: printNumber, Slots: slots, Last: slots - 1, Turn: slotSeconds, Most: drainMost}
	if role != "" {
		data.Role = quote(role)
		data.Grants = grants(data.Schema, data.Role)
	}
	for k := range slots {
		data.Each = append(data.Each, k)
	}
	t, err := template.ParseFS(sources, "*.sql")
	if err != nil {
		return "", err
	}
	var sql strings.Builder
	err = t.ExecuteTemplate(&sql, "schema.sql", data)
	return sql.String(), err
}

// quote makes an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// in puts the schema's name where a statement has a $S.
func in(schema, statement string) string {
	return strings.ReplaceAll(statement, "$S", quote(schema))
}

// checkLayout refuses a schema that this program does not know.
func checkLayout(ctx context.Context, tx Tx, schema string) error {
	var found int
	err := tx.QueryRow(ctx, in(schema, "SELECT version FROM $S.layout")).Scan(&found)
	if err != nil {
		return fault(err, fmt.Sprintf("schema %s cannot be read", schema))
	}
	switch {
	case found > layout:
		return mainstem.Errorf(mainstem.Invalid, "schema %s is newer than this program: it has layout %d, and %d is needed: update the program", schema, found, layout)
	case found < layout:
		return mainstem.Errorf(mainstem.Invalid, "schema %s has layout %d, this program needs %d: print the SQL again with mainstem pg schema and run it", schema, found, layout)
	}
	return nil
}

// hash tells what this program prints from what another does under the same number, which
// is still being worked on.
func hash() string {
	h := sha256.New()
	fmt.Fprintln(h, layout, slots, slotSeconds, drainMost, grants("", ""))
	files, err := sources.ReadDir(".")
	for i := 0; i < len(files) && err == nil; i++ {
		var text []byte
		text, err = sources.ReadFile(files[i].Name())
		h.Write(text)
	}
	if err != nil {
		panic(err) //tidy:panic they are part of the program
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
