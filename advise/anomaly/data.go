package anomaly

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed data/*.yaml
var data embed.FS

// table reads rows from files once, and refuses fields that it does not know.
func table[Row any](names ...string) func() []Row {
	return sync.OnceValue(func() []Row {
		var all []Row
		for _, name := range names {
			raw, err := data.ReadFile("data/" + name)
			var rows []Row
			if err == nil {
				dec := yaml.NewDecoder(bytes.NewReader(raw))
				dec.KnownFields(true)
				err = dec.Decode(&rows)
			}
			if err != nil {
				panic("anomaly: " + name + ": " + err.Error()) //tidy:panic the embedded data is what every test reads
			}
			all = append(all, rows...)
		}
		return all
	})
}

// UnknownError is a name that is not known, with those that are.
type UnknownError struct {
	What, Name string
	Known      []string
}

// Error lists what is known.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("anomaly: no %s is called %q; there are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// plain is a name as data has it: lower case, with underscores.
func plain(name string) string { return underscores.Replace(strings.ToLower(strings.TrimSpace(name))) }

var underscores = strings.NewReplacer(" ", "_", "-", "_")

// find looks a row up by what of calls it.
func find[Row any](what, name string, rows []Row, of func(*Row) []string) (Row, error) {
	var known []string
	for i := range rows {
		names := of(&rows[i])
		if slices.ContainsFunc(names, func(n string) bool { return plain(n) == plain(name) }) {
			return rows[i], nil
		}
		known = append(known, names[0])
	}
	var none Row
	return none, &UnknownError{what, name, known}
}
