package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// written fills a database with transactions whose effects differ in who may see them.
func written(t *testing.T) *mainstem.DB {
	t.Helper()
	db := database(t)
	for _, tx := range []mainstem.Transaction{
		{Group: "g", ID: mainstem.ID{Opaque: "in/1"}, Operations: put("in/a"), Reply: []byte("r1")},
		{Group: "g", ID: mainstem.ID{Opaque: "in/2"}, Operations: put("in/b", "out"), Reply: []byte("r2")},
		{Group: "g", ID: mainstem.ID{Opaque: "out/3"}, Operations: put("in/c"), Reply: []byte("r3")},
		{Group: "g", ID: mainstem.ID{Opaque: "in/4"}, Operations: put("out"), Reply: []byte("r4")},
		{Group: "g", ID: mainstem.ID{Session: mainstem.SessionID{7}, Number: 1, Low: 1}, Operations: put("in/d"), Reply: []byte("r5")},
		{Group: "g", ID: mainstem.ID{Opaque: "in/6"}, Refused: true, Reply: []byte("r6")},
		{Group: "g", ID: mainstem.ID{Opaque: "out/7"}, Refused: true, Reply: []byte("r7")},
		{Group: "h", ID: mainstem.ID{Opaque: "in/8"}, Operations: put("in/a"), Reply: []byte("r8")},
		{Group: "~g", ID: mainstem.ID{Opaque: "in/9"}, Operations: put("in/a"), Reply: []byte("r9")},
	} {
		tx.Attempt = 1
		if _, err := db.Backend().Commit(t.Context(), &tx); err != nil {
			t.Fatal(err)
		}
	}
	return db.DB
}

func put(names ...string) (all []mainstem.Operation) {
	for _, n := range names {
		all = append(all, mainstem.Put{Name: n})
	}
	return all
}

// shown is a feed in words, one change a line, to its end.
func shown(t *testing.T, b mainstem.Backend, m mainstem.Match) (text string, last mainstem.Token, err error) {
	t.Helper()
	var lines strings.Builder
	for batch, err := range b.Changes(t.Context(), mainstem.From{Match: m, Drain: true}) {
		if err != nil {
			return lines.String(), last, err
		}
		last = batch.Token
		for _, c := range batch.Changes {
			var names []string
			for _, e := range c.Effects {
				names = append(names, e.Name)
			}
			fmt.Fprintf(&lines, "%s %s [%s] %s\n", c.Group, c.ID, strings.Join(names, " "), c.Reply)
		}
	}
	return lines.String(), last, nil
}

func TestFeedShowsWhatIsAllowed(t *testing.T) {
	db := written(t)
	in := []string{"in/"}
	for _, c := range []struct {
		what  string
		rules []Rule
		match mainstem.Match
		want  string
	}{
		{
			"a prefix of names",
			[]Rule{{Rights: []Right{Feed}, Groups: []string{"g"}, Prefixes: in}},
			mainstem.Match{},
			"g in/1 [in/a] r1\ng  [in/b] \ng  [in/c] \ng  [in/d] \ng in/6 [] r6\n",
		},
		{"every name of h", []Rule{{Rights: []Right{Feed}, Groups: []string{"h"}}}, mainstem.Match{}, "h in/8 [in/a] r8\n"},
		{
			"every group but Mainstem's own",
			[]Rule{{Rights: []Right{Feed}, Groups: []string{"*"}, Prefixes: []string{"in/a"}}},
			mainstem.Match{},
			"g  [in/a] \nh  [in/a] \n",
		},
		{"Mainstem's own", []Rule{{Rights: []Right{Feed}, Groups: []string{"~*"}}}, mainstem.Match{}, "~g in/9 [in/a] r9\n"},
		{
			"a filter for what may be seen",
			[]Rule{{Rights: []Right{Feed}, Groups: []string{"g"}, Prefixes: in}},
			mainstem.Match{NamePrefix: "in/b"},
			"g  [in/b] \n",
		},
		{
			"a filter that only the hidden part matches",
			[]Rule{{Rights: []Right{Feed}, Groups: []string{"g"}, Prefixes: []string{"in/", "outer"}}},
			mainstem.Match{NamePrefix: "out"},
			"",
		},
		{
			"rights of two rules",
			[]Rule{{Rights: []Right{Feed}, Groups: []string{"g"}, Prefixes: in}, {Rights: []Right{Feed}, Groups: []string{"g"}, Prefixes: []string{"out"}}},
			mainstem.Match{NamePrefix: "out"},
			"g in/2 [in/b out] r2\ng in/4 [out] r4\n",
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := Guard(db.Backend(), as(t, gateOf(t, entry("c", c.rules...)), "c"))
			got, _, err := shown(t, b, c.match)
			if err != nil || got != c.want {
				t.Errorf("error %v; shown is\n%swant\n%s", err, got, c.want)
			}
		})
	}
	// The batches of the feed are shared: nobody's may have been changed.
	all, _, err := shown(t, db.Backend(), mainstem.Match{})
	if err != nil || !strings.Contains(all, "g in/2 [in/b out] r2\n") || strings.Count(all, "\n") != 9 {
		t.Errorf("after all that the whole feed is, error %v:\n%s", err, all)
	}
}

func TestFeedIsDenied(t *testing.T) {
	db := written(t)
	names := Rule{Rights: []Right{Feed}, Groups: []string{"g", "orders-*"}, Prefixes: []string{"in/"}}
	for _, c := range []struct {
		what    string
		rule    Rule
		match   mainstem.Match
		allowed bool
	}{
		{"anything", names, mainstem.Match{}, true},
		{"its group", names, mainstem.Match{Groups: []string{"g"}}, true},
		{"another group", names, mainstem.Match{Groups: []string{"h"}}, false},
		{"its group and another", names, mainstem.Match{Groups: []string{"g", "h"}}, false},
		{"groups that its pattern meets", names, mainstem.Match{GroupPrefix: "ord"}, true},
		{"groups inside its pattern", names, mainstem.Match{GroupPrefix: "orders-1"}, true},
		{"other groups", names, mainstem.Match{GroupPrefix: "h"}, false},
		{"Mainstem's own", Rule{Rights: []Right{Feed}, Groups: []string{"*"}}, mainstem.Match{GroupPrefix: "~"}, false},
		{"wider names", names, mainstem.Match{NamePrefix: "i"}, true},
		{"narrower names", names, mainstem.Match{NamePrefix: "in/a"}, true},
		{"other names", names, mainstem.Match{NamePrefix: "out"}, false},
		{"without the right", Rule{Rights: []Right{Read, Write}, Groups: []string{"*", "~*"}}, mainstem.Match{}, false},
	} {
		_, _, err := shown(t, Guard(db.Backend(), as(t, gateOf(t, entry("c", c.rule)), "c")), c.match)
		judge(t, c.what, err, c.allowed)
	}
}

// TestFeedGoesOn: over much that is not shown the token goes on.
func TestFeedGoesOn(t *testing.T) {
	db := database(t)
	b := Guard(db.Backend(), as(t, gateOf(t, entry("c", Rule{Rights: []Right{Feed}, Groups: []string{"h"}})), "c"))
	for i := range progressEvery + 1 {
		_, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: fmt.Sprint(i)}, Attempt: 1, Operations: put("a")})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, last, err := shown(t, b, mainstem.Match{})
	if marks := last.Marks(); err != nil || text != "" || len(marks) != 1 || marks[0].Position < progressEvery {
		t.Errorf("error %v, shown %q, and the token has seen %v", err, text, last.Marks())
	}
}
