package access

import (
	"bytes"
	"encoding"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem"
)

// Parse reads a policy. What it does not know, what is there twice, what grants
// nothing and what is beyond a limit is an error with its line, Invalid or
// TooLarge: a rule that was misspelt must not be taken for no rule.
func Parse(text []byte) (*Policy, error) {
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	p := parsing{policy: &Policy{}, names: map[string]int{}, hashes: map[Hash]int{}, subjects: map[Certificate]int{}}
	err = fields(root, "the policy", map[string]reader{
		"clients": func(n *yaml.Node) error { return each(n, "clients", LimitClients, p.client) },
	}, "clients")
	if err != nil {
		return nil, err
	}
	return p.policy, nil
}

// document is the one document of a policy. Its nodes are as they were
// written: nothing that refers to something else is expanded.
func document(text []byte) (*yaml.Node, error) {
	if len(text) > LimitPolicy {
		return nil, mainstem.Errorf(mainstem.TooLarge, "the policy has %d bytes; the limit is %d", len(text), LimitPolicy)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, mainstem.Errorf(mainstem.Invalid, "the policy is empty; one that lets nobody in is written clients: []")
	case err != nil:
		return nil, mainstem.Errorf(mainstem.Invalid, "the policy is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, mainstem.Errorf(mainstem.Invalid, "the policy is more than one document")
	}
	if len(root.Content) != 1 {
		return nil, mainstem.Errorf(mainstem.Invalid, "the policy has no content")
	}
	return root.Content[0], nil
}

// parsing is a policy being read, and the lines of what may be there once.
type parsing struct {
	policy   *Policy
	names    map[string]int
	hashes   map[Hash]int
	subjects map[Certificate]int
}

func (p *parsing) client(n *yaml.Node) error {
	var e Entry
	err := fields(n, "a client", map[string]reader{
		"name": func(n *yaml.Node) error {
			if err := text(n, &e.Name); err != nil {
				return err
			}
			return errors.Join(checkClient(e.Name), once(p.names, e.Name, n, "a client of the name "+short(e.Name)))
		},
		"tokens": func(n *yaml.Node) error {
			return each(n, "tokens", LimitCredentials, func(n *yaml.Node) error { return p.token(n, &e) })
		},
		"certificates": func(n *yaml.Node) error {
			return each(n, "certificates", LimitCredentials, func(n *yaml.Node) error { return p.certificate(n, &e) })
		},
		"rules":  func(n *yaml.Node) error { return each(n, "rules", LimitRules, e.rule) },
		"limits": e.Limits.parse,
	}, "name", "rules")
	switch {
	case err != nil:
		return err
	case len(e.Rules) == 0:
		return at(n, "client %s has no rule, so it may do nothing; remove it, or give it one", short(e.Name))
	case len(e.Tokens)+len(e.Certificates) == 0:
		return at(n, "client %s has neither a token nor a certificate, so nobody can be it", short(e.Name))
	}
	p.policy.Clients = append(p.policy.Clients, e)
	return nil
}

func (p *parsing) token(n *yaml.Node, e *Entry) error {
	var t Token
	err := fields(n, "a token", map[string]reader{
		"sha256": func(n *yaml.Node) error {
			if err := scalar(n, &t.SHA256); err != nil {
				return err
			}
			return once(p.hashes, t.SHA256, n, "this hash")
		},
		"expires": func(n *yaml.Node) error { return when(n, &t.Expires) },
	}, "sha256")
	e.Tokens = append(e.Tokens, t)
	return err
}

func (p *parsing) certificate(n *yaml.Node, e *Entry) error {
	var c Certificate
	err := fields(n, "a certificate", map[string]reader{
		"uri":     func(n *yaml.Node) error { return text(n, &c.URI) },
		"subject": func(n *yaml.Node) error { return text(n, &c.Subject) },
	})
	if err == nil && (c.URI == "") == (c.Subject == "") {
		err = at(n, "a certificate has either a uri or a subject")
	}
	e.Certificates = append(e.Certificates, c)
	return errors.Join(err, once(p.subjects, c, n, "this certificate"))
}

func (e *Entry) rule(n *yaml.Node) error {
	var r Rule
	err := fields(n, "a rule", map[string]reader{
		"rights": func(n *yaml.Node) error {
			return each(n, "rights", len(rightNames), func(n *yaml.Node) error {
				var right Right
				err := scalar(n, &right)
				r.Rights = append(r.Rights, right)
				return err
			})
		},
		"groups": func(n *yaml.Node) error {
			return each(n, "groups", LimitPatterns, func(n *yaml.Node) error { return names(n, &r.Groups, checkGroup) })
		},
		"prefixes": func(n *yaml.Node) error {
			return each(n, "prefixes", LimitPatterns, func(n *yaml.Node) error { return names(n, &r.Prefixes, checkPrefix) })
		},
	}, "rights", "groups")
	if err == nil {
		err = located(n, r.check())
	}
	e.Rules = append(e.Rules, r)
	return err
}

// check reports a rule that grants nothing, or more than it says.
func (r *Rule) check() error {
	switch {
	case len(r.Rights) == 0:
		return mainstem.Errorf(mainstem.Invalid, "a rule has no rights; give it some of read, write, feed, admin")
	case len(r.Groups) == 0:
		return mainstem.Errorf(mainstem.Invalid, `a rule has no groups; "*" is every group`)
	case slices.Contains(r.Rights, Admin) && (len(r.Rights) > 1 || !slices.Equal(r.Groups, []string{"*"}) || len(r.Prefixes) > 0):
		return mainstem.Errorf(mainstem.Invalid, `admin is of the whole database: it stands in a rule alone, with the groups ["*"] and no prefixes`)
	}
	return nil
}

func checkGroup(group string) error {
	name, all := strings.CutSuffix(group, "*")
	switch {
	case strings.Contains(name, "*"):
		return mainstem.Errorf(mainstem.Invalid, "in the groups %s a * stands elsewhere than at the end", short(group))
	case all && name == "":
		return nil
	}
	return mainstem.CheckGroup(name)
}

func checkPrefix(prefix string) error {
	if strings.Contains(prefix, "*") {
		return mainstem.Errorf(mainstem.Invalid, "the prefix %s has a *; a prefix is what names begin with, as it is", short(prefix))
	}
	return mainstem.CheckName("prefix of a", prefix)
}

func (l *Limits) parse(n *yaml.Node) error {
	err := fields(n, "the limits", map[string]reader{
		"requests":   func(n *yaml.Node) error { return amount(n, &l.Requests, LimitRate) },
		"burst":      func(n *yaml.Node) error { return amount(n, &l.Burst, LimitRate) },
		"concurrent": func(n *yaml.Node) error { return amount(n, &l.Concurrent, LimitRate) },
		"feeds":      func(n *yaml.Node) error { return amount(n, &l.Feeds, LimitRate) },
		"bytes":      func(n *yaml.Node) error { return amount(n, &l.Bytes, mainstem.LimitTransaction) },
	})
	if err == nil && l.Burst > 0 && l.Requests == 0 {
		err = at(n, "burst is how many requests may come at once; it needs requests")
	}
	return err
}

// reader reads one node.
type reader func(*yaml.Node) error

// fields reads a mapping: each field once, none that is not known, all that are needed.
func fields(n *yaml.Node, what string, known map[string]reader, needed ...string) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s must be fields with values", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		read, ok := known[key.Value]
		switch {
		case !ok || key.Kind != yaml.ScalarNode:
			return at(key, "%s has no field %s", what, short(key.Value))
		case seen[key.Value]:
			return at(key, "%s has the field %s twice", what, key.Value)
		}
		seen[key.Value] = true
		if err := read(n.Content[i+1]); err != nil {
			return located(n.Content[i+1], err)
		}
	}
	for _, name := range needed {
		if !seen[name] {
			return at(n, "%s needs the field %s", what, name)
		}
	}
	return nil
}

// each reads a list.
func each(n *yaml.Node, what string, most int, read reader) error {
	switch {
	case n.Kind != yaml.SequenceNode:
		return at(n, "%s must be a list", what)
	case len(n.Content) > most:
		e := at(n, "there are %d %s; the limit is %d", len(n.Content), what, most)
		e.Code = mainstem.TooLarge
		return e
	}
	for _, one := range n.Content {
		if err := read(one); err != nil {
			return located(one, err)
		}
	}
	return nil
}

// scalar reads a value that knows its own text.
func scalar(n *yaml.Node, to encoding.TextUnmarshaler) error {
	if n.Kind != yaml.ScalarNode {
		return at(n, "there must be one value here")
	}
	return located(n, to.UnmarshalText([]byte(n.Value)))
}

func text(n *yaml.Node, to *string) error {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return at(n, "there must be text here; put what looks like something else in quotes")
	}
	*to = n.Value
	return nil
}

func names(n *yaml.Node, to *[]string, check func(string) error) error {
	var one string
	if err := text(n, &one); err != nil {
		return err
	}
	*to = append(*to, one)
	return located(n, check(one))
}

func amount(n *yaml.Node, to *int, most int) error {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 1 || v > most {
		return at(n, "a limit is a whole number from 1 to %d; leave it out for no limit", most)
	}
	*to = v
	return nil
}

func when(n *yaml.Node, to *time.Time) error {
	t, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || t.IsZero() {
		return at(n, "a time is written 2027-01-31T00:00:00Z")
	}
	*to = t
	return nil
}

// once reports what is there a second time.
func once[K comparable](lines map[K]int, key K, n *yaml.Node, what string) error {
	if line, ok := lines[key]; ok {
		return at(n, "%s is there already, in line %d", what, line)
	}
	lines[key] = n.Line
	return nil
}

func at(n *yaml.Node, format string, args ...any) *mainstem.Error {
	e := mainstem.Errorf(mainstem.Invalid, format, args...)
	e.Message = "line " + strconv.Itoa(n.Line) + " of the policy: " + e.Message
	e.Advice = correct
	return e
}

// correct is the advice of every error with a line.
const correct = "correct the line"

// located puts the line in front of an error that has none.
func located(n *yaml.Node, err error) error {
	var e *mainstem.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return at(n, "%w", err)
	case e.Advice == correct:
		return e
	}
	wrong := at(n, "%s", e.Message)
	wrong.Code = e.Code
	return wrong
}
