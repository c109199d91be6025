package access

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// conditions and operations have one of each, about a name.
var conditions = map[string]func(name string) mainstem.Condition{
	"KeyAbsent":        func(n string) mainstem.Condition { return mainstem.KeyAbsent{Name: n} },
	"KeyUnchanged":     func(n string) mainstem.Condition { return mainstem.KeyUnchanged{Name: n, Since: 1} },
	"KeyEquals":        func(n string) mainstem.Condition { return mainstem.KeyEquals{Name: n, Value: mainstem.Int(1)} },
	"StreamLength":     func(n string) mainstem.Condition { return mainstem.StreamLength{Stream: n} },
	"RangeUnchanged":   func(n string) mainstem.Condition { return mainstem.RangeUnchanged{From: n, To: n + "\x00", Since: 1} },
	"StreamsUnchanged": func(n string) mainstem.Condition { return mainstem.StreamsUnchanged{From: n, To: n + "\x00", Since: 1} },
	"LeaseHeld":        func(n string) mainstem.Condition { return mainstem.LeaseHeld{Lease: n, Token: 1} },
	"Committed":        func(n string) mainstem.Condition { return mainstem.Committed{ID: n} },
}

var operations = map[string]func(name string) mainstem.Operation{
	"Put":    func(n string) mainstem.Operation { return mainstem.Put{Name: n} },
	"Delete": func(n string) mainstem.Operation { return mainstem.Delete{Name: n} },
	"Add":    func(n string) mainstem.Operation { return mainstem.Add{Name: n, Delta: 1} },
	"Append": func(n string) mainstem.Operation {
		return mainstem.Append{Stream: n, Events: []mainstem.Event{{Type: "t"}}}
	},
	"Acquire": func(n string) mainstem.Operation { return mainstem.Acquire{Lease: n, Owner: "o", TTL: time.Minute} },
	"Renew":   func(n string) mainstem.Operation { return mainstem.Renew{Lease: n, Token: 1, TTL: time.Minute} },
	"Release": func(n string) mainstem.Operation { return mainstem.Release{Lease: n, Token: 1} },
	"Emit":    func(n string) mainstem.Operation { return mainstem.Emit{Topic: n, Event: mainstem.Event{Type: "t"}} },
	"Void":    func(n string) mainstem.Operation { return mainstem.Void{ID: n} },
	"Present": func(n string) mainstem.Operation { return mainstem.Present{Lease: n, Token: 1} },
}

// queries have one of each kind. QueryGroups is about no name: it has a test of its own.
var queries = map[string]func(name string) mainstem.Query{
	"QueryGet": func(n string) mainstem.Query { return mainstem.Query{Kind: mainstem.QueryGet, Name: n} },
	"QueryScan": func(n string) mainstem.Query {
		return mainstem.Query{Kind: mainstem.QueryScan, Name: n, To: n + "\x00"}
	},
	"QueryEvents": func(n string) mainstem.Query { return mainstem.Query{Kind: mainstem.QueryEvents, Name: n} },
	"QueryStreams": func(n string) mainstem.Query {
		return mainstem.Query{Kind: mainstem.QueryStreams, Name: n, To: n + "\x00"}
	},
	"QueryLease":   func(n string) mainstem.Query { return mainstem.Query{Kind: mainstem.QueryLease, Name: n} },
	"QueryID":      func(n string) mainstem.Query { return mainstem.Query{Kind: mainstem.QueryID, Name: n} },
	"QueryHistory": func(n string) mainstem.Query { return mainstem.Query{Kind: mainstem.QueryHistory, Name: n} },
	"QueryGroups":  nil,
}

// TestEveryKindHasARule reads the closed sets from where they are declared: a new
// kind is missing above, and so in every table below, until it has a rule.
func TestEveryKindHasARule(t *testing.T) {
	declared := closedSets(t)
	for set, here := range map[string][]string{
		"condition": slices.Sorted(maps.Keys(conditions)), "operation": slices.Sorted(maps.Keys(operations)), "QueryKind": slices.Sorted(maps.Keys(queries)),
	} {
		slices.Sort(declared[set])
		if len(here) < 8 || !slices.Equal(declared[set], here) {
			t.Errorf("%s: declared are %v, and tested here %v", set, declared[set], here)
		}
	}
	client := clientOf(Rule{Rights: Rights(), Groups: []string{"*", "~*"}})
	if client.in("g").condition(nil) || client.in("g").operation(nil) || client.asks(mainstem.Query{}) || client.asks(mainstem.Query{Kind: 200}) {
		t.Error("what has no rule is not refused")
	}
}

// closedSets are the types with the marker methods, and the constants of QueryKind.
func closedSets(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("../*.go")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d files of the root package, %v", len(names), err)
	}
	sets := map[string][]string{}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if marker := d.Name.Name; d.Recv != nil && (marker == "condition" || marker == "operation") && d.Type.Params.NumFields() == 0 {
					sets[marker] = append(sets[marker], d.Recv.List[0].Type.(*ast.Ident).Name)
				}
			case *ast.GenDecl:
				sets["QueryKind"] = append(sets["QueryKind"], kinds(d)...)
			}
		}
	}
	return sets
}

func kinds(d *ast.GenDecl) (names []string) {
	if d.Tok != token.CONST {
		return nil
	}
	first, _ := d.Specs[0].(*ast.ValueSpec)
	if id, ok := first.Type.(*ast.Ident); !ok || id.Name != "QueryKind" {
		return nil
	}
	for _, s := range d.Specs {
		for _, n := range s.(*ast.ValueSpec).Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// clientOf is a client with rules, outside of a gate.
func clientOf(rules ...Rule) *client {
	p := makePolicy(&Policy{Clients: []Entry{{Name: "c", Tokens: []Token{{SHA256: HashOf("t")}}, Rules: rules}}}, nil)
	return p.clients["c"]
}

// gateOf is a gate with entries, from a file as in service.
func gateOf(t testing.TB, entries ...Entry) *Gate {
	t.Helper()
	text := []byte("clients: []")
	var err error
	for _, e := range entries {
		if text, err = Add(text, e); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// as is the client who shows a token.
func as(t testing.TB, g *Gate, token string) Client {
	t.Helper()
	p := g.policy.Load()
	one := p.token(HashOf(token))
	if one == nil {
		t.Fatalf("nobody has the token %s", token)
	}
	return Client{gate: g, as: one, in: p}
}

// entry is a client whose token is its name.
func entry(name string, rules ...Rule) Entry {
	return Entry{Name: name, Tokens: []Token{{SHA256: HashOf(name)}}, Rules: rules}
}

func database(t testing.TB) *embedded.DB {
	t.Helper()
	db, err := embedded.InMemory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// made is a new ID as the library makes them.
func made() mainstem.ID {
	return mainstem.ID{Session: mainstem.SessionID{9}, Number: numbers.Add(1), Low: 1}
}

var numbers atomic.Uint64

// where are places that a rule for the names in/… of the group g does and does not hold.
var where = []struct {
	group, name string
	inside      bool
}{{"g", "in/a", true}, {"g", "in/", true}, {"g", "in", false}, {"g", "out", false}, {"h", "in/a", false}, {"~g", "in/a", false}}

// eachSet calls with every set of rights, and a Backend of a client that has them
// on in/… of g, and Write on aside/… everywhere, so that nothing else stops it.
func eachSet(t *testing.T, db *embedded.DB, call func(t *testing.T, rights Right, b mainstem.Backend)) {
	t.Helper()
	for rights := range Read | Write | Feed + 1 {
		aside := Rule{Rights: []Right{Write}, Groups: []string{"*", "~*"}, Prefixes: []string{"aside/"}}
		e := entry("c", aside)
		r := Rule{Groups: []string{"g"}, Prefixes: []string{"in/"}}
		for _, one := range []Right{Read, Write, Feed} {
			if rights&one != 0 {
				r.Rights = append(r.Rights, one)
			}
		}
		if r.Rights != nil {
			e.Rules = append(e.Rules, r)
		}
		t.Run(rights.String(), func(t *testing.T) { call(t, rights, Guard(db.Backend(), as(t, gateOf(t, e), "c"))) })
	}
}

// judge compares an answer with what the rights say.
func judge(t *testing.T, what string, err error, allowed bool) {
	t.Helper()
	if code := mainstem.CodeOf(err); (code != mainstem.Denied) != allowed {
		t.Errorf("%s: allowed is %t, and the answer %v", what, allowed, err)
	}
}

func TestEveryConditionAndOperation(t *testing.T) {
	db, n := database(t), 0
	eachSet(t, db, func(t *testing.T, rights Right, b mainstem.Backend) {
		try := func(what string, group string, allowed bool, c []mainstem.Condition, o []mainstem.Operation) {
			n++
			id := mainstem.ID{Opaque: fmt.Sprintf("aside/%d", n)}
			// The permitted parts around it must not lend it their right.
			o = append([]mainstem.Operation{mainstem.Put{Name: "aside/x"}}, o...)
			_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: group, ID: id, Attempt: 1, Conditions: c, Operations: o})
			judge(t, what, err, allowed)
			if condition := len(c) + len(o); !allowed && len(c)+len(o) > 0 {
				var e *mainstem.Error
				if !asError(err, &e) || e.Condition != condition && e.Condition != len(c) {
					t.Errorf("%s: the error is about condition %v", what, err)
				}
			}
		}
		for _, w := range where {
			for kind, make := range conditions {
				try(kind+" of "+w.group+"/"+w.name, w.group, w.inside && rights&Read != 0, []mainstem.Condition{make(w.name)}, nil)
			}
			for kind, make := range operations {
				try(kind+" of "+w.group+"/"+w.name, w.group, w.inside && rights&Write != 0, nil, []mainstem.Operation{make(w.name)})
			}
		}
	})
}

func asError(err error, e **mainstem.Error) bool {
	found, ok := err.(*mainstem.Error)
	*e = found
	return ok
}

func TestEveryQuestion(t *testing.T) {
	db := database(t)
	eachSet(t, db, func(t *testing.T, rights Right, b mainstem.Backend) {
		for _, group := range []string{"", "g", "h", "~g"} {
			v, err := b.View(t.Context(), mainstem.ViewRequest{Group: group, At: mainstem.Latest()})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range where {
				for kind, make := range queries {
					if make == nil || group != "" && group != w.group {
						continue
					}
					q := make(w.name)
					q.Group = w.group
					_, err := v.Read(t.Context(), q)
					judge(t, kind+" of "+w.group+"/"+w.name, err, w.inside && rights&Read != 0)
				}
			}
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRangesAreDeniedWhole: a range that is partly readable is refused, in views
// and as a condition.
func TestRangesAreDeniedWhole(t *testing.T) {
	db := database(t)
	b := Guard(db.Backend(), as(t, gateOf(t, entry("c", Rule{Rights: []Right{Read, Write}, Groups: []string{"g"}, Prefixes: []string{"a/", "c/"}})), "c"))
	v, err := b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, r := range []struct {
		from, to string
		allowed  bool
	}{{"a/", "a0", true}, {"a/x", "a/y", true}, {"c/", "c0", true}, {"a/", "c0", false}, {"a/", "", false}, {"", "a0", false}, {"", "", false}, {"a/", "b", false}} {
		_, err := v.Read(t.Context(), mainstem.Query{Kind: mainstem.QueryScan, Group: "g", Name: r.from, To: r.to})
		judge(t, fmt.Sprintf("scan [%q, %q)", r.from, r.to), err, r.allowed)
		_, err = b.Commit(t.Context(), &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: "a/" + r.from + r.to}, Attempt: 1,
			Conditions: []mainstem.Condition{mainstem.RangeUnchanged{From: r.from, To: r.to}},
		})
		judge(t, fmt.Sprintf("range [%q, %q)", r.from, r.to), err, r.allowed)
	}
}

// TestGroupsNeedEverything: the list of groups is of all of them.
func TestGroupsNeedEverything(t *testing.T) {
	db := database(t)
	for _, c := range []struct {
		rule    Rule
		allowed bool
	}{
		{Rule{Rights: []Right{Read}, Groups: []string{"*", "~*"}}, true},
		{Rule{Rights: []Right{Read}, Groups: []string{"*"}}, false},
		{Rule{Rights: []Right{Read}, Groups: []string{"a*", "~*"}}, false},
		{Rule{Rights: []Right{Read}, Groups: []string{"*", "~*"}, Prefixes: []string{"a"}}, false},
		{Rule{Rights: []Right{Write, Feed}, Groups: []string{"*", "~*"}}, false},
	} {
		aside := Rule{Rights: []Right{Read}, Groups: []string{"aside"}}
		v, err := Guard(db.Backend(), as(t, gateOf(t, entry("c", c.rule, aside)), "c")).View(t.Context(), mainstem.ViewRequest{At: mainstem.Latest()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Read(t.Context(), mainstem.Query{Kind: mainstem.QueryGroups})
		judge(t, fmt.Sprint(c.rule), err, c.allowed)
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}
