package cli

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/internal/spelling"
)

// limitConfig is the most bytes of a configuration file.
const limitConfig = 64 << 10

// configFile is a file of settings, read and checked.
type configFile struct {
	name   string
	known  []setting
	values map[string]written
}

// written is a value as it stands in a file.
type written struct {
	text string
	line int
}

// readConfig reads a file. A key that is not known, a value that is not right and
// a thing said twice are errors with their line: a setting that was misspelt must not
// be left out.
func readConfig(name string, known []setting) (*configFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limitConfig+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	c := &configFile{name: name, known: known, values: map[string]written{}}
	return c, c.parse(text)
}

func (c *configFile) parse(text []byte) error {
	if len(text) > limitConfig {
		return misused("settings are a few lines", "%s has more than %d bytes", c.name, limitConfig)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		return nil // nothing is said, and nothing wrong
	} else if err != nil {
		return misused("indent with spaces, and put a space after each colon", "%s is not YAML: %s", c.name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return misused("put all settings into one", "%s is more than one document", c.name)
	}
	return c.fields(root.Content[0], "")
}

// fields reads the keys below a prefix, which is empty or ends with a dot.
func (c *configFile) fields(n *yaml.Node, prefix string) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && prefix == "" {
		return nil // a file of comments
	}
	if n.Kind != yaml.MappingNode {
		return c.wrong(n, "write one key per line, as in memory: 256MiB", "%s holds keys", cmp.Or(strings.TrimSuffix(prefix, "."), "a file of settings"))
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		if seen[key] {
			return c.wrong(k, "leave one of them", "%s is there twice", shortened(key))
		}
		seen[key] = true
		if err := c.field(k, v, key); err != nil {
			return err
		}
	}
	return nil
}

func (c *configFile) field(k, v *yaml.Node, key string) error {
	at := slices.IndexFunc(c.known, func(s setting) bool { return s.key == key })
	switch {
	case slices.ContainsFunc(c.known, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }):
		return c.fields(v, key+".")
	case at < 0:
		return c.unknown(k, key)
	case v.Kind != yaml.ScalarNode:
		return c.wrong(v, "write it as in "+key+": "+cmp.Or(c.known[at].fallback(), "FILE"), "%s is one value", key)
	case v.Tag == "!!null" || v.Value == "":
		return c.wrong(v, "write one, or leave the key out", "%s has no value", key)
	}
	if err := c.known[at].check(v.Value); err != nil {
		return c.wrong(v, "docs/reference/configuration.md lists what each key takes", "%s: %v", key, err)
	}
	c.values[key] = written{text: v.Value, line: v.Line}
	return nil
}

// unknown says what may have been meant: another key, or the name of a flag.
func (c *configFile) unknown(k *yaml.Node, key string) error {
	var keys []string
	for _, s := range c.known {
		if key == s.flag.Name || key == s.env {
			return c.wrong(k, "write "+s.key, "there is no %s in a file", shortened(key))
		}
		keys = append(keys, s.key)
	}
	if near := spelling.Nearest(key, keys); near != "" {
		return c.wrong(k, "did you mean "+near+"?", "there is no %s", shortened(key))
	}
	return c.wrong(k, "there are "+strings.Join(keys, ", "), "there is no %s", shortened(key))
}

func (c *configFile) wrong(n *yaml.Node, advice, format string, args ...any) error {
	return misused(advice, "%s:%d: "+format, append([]any{c.name, n.Line}, args...)...)
}

// compareKeys orders keys, those of the file's top first.
func compareKeys(a, b string) int {
	return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), cmp.Compare(a, b))
}
