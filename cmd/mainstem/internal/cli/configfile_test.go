package cli

import (
	"errors"
	"testing"

	"github.com/alecthomas/kong"
)

// FuzzConfig: any bytes are settings or a problem with advice, and what is taken is
// taken again as it was written.
func FuzzConfig(f *testing.F) {
	parser, err := kong.New(&commands{}, kong.ExplicitGroups(groups))
	if err != nil {
		f.Fatal(err)
	}
	n, err := serveNode(&kong.Context{Kong: parser})
	if err != nil {
		f.Fatal(err)
	}
	known := settingsOf(n)
	for _, text := range []string{
		"", "memory: 1GiB\ntls:\n  cert: a\n  key: b\n", "memory: &a 1\nx: *a\n", "? [a]\n: b\n", "a: {b: {c: d}}\n", "tls: {cert: {a: b}}\n", "<<: {memory: 1GiB}\n", "---\n---\n",
		"memory: !!binary aaaa\n", "insecure: true\ndrain: 1h2m\nlisten: ':0'\n", "\xff", "1: 2\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &configFile{name: "f.yaml", known: known, values: map[string]written{}}
		if err := c.parse(text); err != nil {
			if p, ok := errors.AsType[*problem](err); !ok || p.Advice == "" {
				t.Errorf("%q: %v has no advice", text, err)
			}
			return
		}
		for _, s := range known {
			v, ok := c.values[s.key]
			if !ok {
				continue
			}
			if err := s.set(s.flag.Target, v.text); err != nil {
				t.Fatalf("%q: %s was taken and is not: %v", text, s.key, err)
			}
			shown, err := s.value()
			if err == nil {
				err = s.check(shown)
			}
			if err != nil {
				t.Errorf("%q: %s is shown as %q, which cannot be read: %v", text, s.key, shown, err)
			}
		}
	})
}
