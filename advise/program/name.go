package program

import (
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mainstemdb/mainstem/advise/model"
)

// words are what a package of ours must not be called: it would hide one that it uses.
var words = []string{
	"context", "errors", "fmt", "io", "os", "slices", "time", "pgx", "pgconn", "pgxpool", "mainstem", "embedded", "lease", "pg", "main", "init", "run", "internal", "vendor",
}

// packageName is a name as Go's packages have them: lower-case letters and digits.
func packageName(title string) string {
	name := strings.ReplaceAll(model.Plain(title), "-", "")
	if name == "" || !unicode.IsLetter(rune(name[0])) {
		name = "workload" + name
	}
	if token.IsKeyword(name) || slices.Contains(words, name) {
		name += "service"
	}
	return name
}

// parameter is a name for a parameter, which hides nothing that a function uses.
func parameter(of string) string {
	name := packageName(of)
	if slices.Contains([]string{
		"ctx", "db", "tx", "err", "request", "now", "left", "states", "registry", "events", "version", "tag", "e", "wait", "n", "string", "error", "byte", "nil", "true", "false", "any", "append", "len",
	}, name) {
		name += "id"
	}
	return name
}

// taken are the exported names that are in use.
type taken map[string]bool

// reserved are those that every program may have.
var reserved = []string{"Event", "Show", "Open", "State", "Stock", "Limit", "Fill", "Filled", "Partitions", "Tables"}

// exported makes an exported name of a title, which is in use from then on.
func (t taken) exported(title string) string {
	var b strings.Builder
	for _, word := range strings.Split(model.Plain(title), "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	name := b.String()
	for _, prefix := range []string{"Hold", "Write"} { // of the functions about leases
		if strings.HasPrefix(name, prefix) && name != prefix {
			name = "Do" + name
		}
	}
	name = strings.TrimSuffix(name, "TTL")
	if name == "" || !unicode.IsLetter(rune(name[0])) {
		name = "The" + name
	}
	for base, n := name, 2; t[name] || slices.Contains(reserved, name); n++ {
		name = base + strconv.Itoa(n)
	}
	t[name] = true
	return name
}
