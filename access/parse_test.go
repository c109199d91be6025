package access

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// good is a policy with one of everything.
const good = `# who may come in
clients:
  - name: web # the shop
    tokens:
      - sha256: 0000000000000000000000000000000000000000000000000000000000000001
      - sha256: "0000000000000000000000000000000000000000000000000000000000000002"
        expires: 2027-01-31T00:00:00Z
    rules:
      - rights: [read, write]
        groups: [orders-*, carts]
        prefixes: [stock/, order-]
      - rights: [admin]
        groups: ["*"]
    limits: {requests: 100, burst: 200, concurrent: 50, feeds: 4, bytes: 65536}
  - name: ship
    certificates:
      - uri: spiffe://shop/ship
      - subject: CN=ship,O=shop
    rules:
      - {rights: [feed], groups: ["*", "~*"]}
`

func TestParse(t *testing.T) {
	p, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	web, ship := p.Clients[0], p.Clients[1]
	switch {
	case len(p.Clients) != 2, web.Name != "web", len(web.Tokens) != 2, web.Tokens[0].SHA256[31] != 1, !web.Tokens[0].Expires.IsZero():
		t.Errorf("web is %+v", web)
	case web.Tokens[1].Expires.Year() != 2027, web.Limits != Limits{100, 200, 50, 4, 65536}:
		t.Errorf("web is %+v", web)
	case len(web.Rules) != 2, web.Rules[0].Rights[1] != Write, web.Rules[0].Groups[0] != "orders-*", web.Rules[0].Prefixes[1] != "order-":
		t.Errorf("the rules of web are %+v", web.Rules)
	case ship.Certificates[0].URI != "spiffe://shop/ship", ship.Certificates[1].Subject != "CN=ship,O=shop":
		t.Errorf("ship is %+v", ship)
	}
}

// bad are policies with one fault each, made from the good one.
var bad = []struct{ what, old, new, want string }{
	{"empty", good, "", "the policy is empty"},
	{"no YAML", good, "clients: [", "the policy is not YAML: line 1"},
	{"two documents", "clients:\n", "---\nclients: []\n---\nclients:\n", "more than one document"},
	{"no mapping", good, "- a\n", "line 1 of the policy: the policy must be fields"},
	{"unknown field of the policy", good, "users: []\n", `line 1 of the policy: the policy has no field "users"`},
	{"no clients", good, "{}\n", "needs the field clients"},
	{"misspelt field of a client", "    rules:\n      - {", "    rule:\n      - {", `line 19 of the policy: a client has no field "rule"`},
	{"misspelt field of a rule", "groups: [orders", "group: [orders", `line 10 of the policy: a rule has no field "group"`},
	{"misspelt limit", "burst: 200", "bursts: 200", `line 14 of the policy: the limits has no field "bursts"`},
	{"field twice", "name: ship\n", "name: ship\n    name: ship\n", "line 16 of the policy: a client has the field name twice"},
	{"name twice", "name: ship", "name: web", `line 15 of the policy: a client of the name "web" is there already, in line 3`},
	{"no name", "name: ship", `name: ""`, "line 15 of the policy: a client has no name"},
	{"name is a number", "name: ship", "name: 7", "line 15 of the policy: there must be text here"},
	{"name on two lines", "name: ship", `name: "a\nb"`, "line 15 of the policy: the name \"a\\nb\" of a client has characters"},
	{"name is long", "name: ship", "name: " + strings.Repeat("x", LimitClient+1), "too_large: line 15 of the policy: the name of a client has 129 bytes"},
	{"hash is short", "0002\"", "002\"", "line 6 of the policy: a hash has 64 hexadecimal digits, not 63"},
	{"hash is a token", "0002\"", "000g\"", "line 6 of the policy: a hash has 64 hexadecimal digits, and this"},
	{"hash twice", "0002\"", "0001\"", "line 6 of the policy: this hash is there already, in line 5"},
	{"no hash", "sha256: 0000000000000000000000000000000000000000000000000000000000000001", "expires: 2027-01-31T00:00:00Z", "line 5 of the policy: a token needs the field sha256"},
	{"no time", "2027-01-31T00:00:00Z", "tomorrow", "line 7 of the policy: a time is written"},
	{"certificate of nobody", "uri: spiffe://shop/ship", `uri: ""`, "line 17 of the policy: a certificate has either"},
	{"certificate of two", "uri: spiffe://shop/ship", "{uri: a, subject: b}", "line 17 of the policy: a certificate has either"},
	{"certificate twice", "subject: CN=ship,O=shop", "uri: spiffe://shop/ship", "line 18 of the policy: this certificate is there already, in line 17"},
	{"no credential", "    certificates:\n      - uri: spiffe://shop/ship\n      - subject: CN=ship,O=shop\n", "", `line 15 of the policy: client "ship" has neither a token nor a certificate`},
	{"no rules", "    rules:\n      - {rights: [feed], groups: [\"*\", \"~*\"]}", "    rules: []", `line 15 of the policy: client "ship" has no rule`},
	{"no rights", "rights: [feed]", "rights: []", "line 20 of the policy: a rule has no rights"},
	{"unknown right", "rights: [feed]", "rights: [feeds]", `line 20 of the policy: no right is called "feeds"`},
	{"rights are no list", "rights: [feed]", "rights: feed", "line 20 of the policy: rights must be a list"},
	{"no groups", "orders-*, carts", "", `line 9 of the policy: a rule has no groups`},
	{"star inside", "orders-*", "or*ders", `line 10 of the policy: in the groups "or*ders" a *`},
	{"star in a prefix", "stock/,", "stock/*,", `line 11 of the policy: the prefix "stock/*" has a *`},
	{"empty prefix", "stock/,", `"",`, "line 11 of the policy: prefix of a name is empty"},
	{"group with NUL", "carts", `"a\0b"`, "line 10 of the policy: group name"},
	{"admin of a part", "groups: [\"*\"]\n", "groups: [a]\n", "line 12 of the policy: admin is of the whole database"},
	{"admin and more", "[admin]", "[admin, read]", "line 12 of the policy: admin is of the whole database"},
	{"no limit", "feeds: 4", "feeds: 0", "line 14 of the policy: a limit is a whole number from 1 to 1000000"},
	{"limit too high", "requests: 100", "requests: 1000001", "line 14 of the policy: a limit is a whole number"},
	{"more bytes than a transaction has", "65536", "524289", "line 14 of the policy: a limit is a whole number from 1 to 524288"},
	{"burst of nothing", "requests: 100, ", "", "line 14 of the policy: burst is how many"},
	{"reference", "groups: [\"*\", \"~*\"]", "groups: *a", "not YAML"},
	{"reference to a value", "rights: [feed]", "rights: &a [feed], groups: *a, prefixes: [b]", "line 20"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range bad {
		t.Run(c.what, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("the good policy has no %q", c.old)
			}
			_, err := Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if code := mainstem.CodeOf(err); code != mainstem.Invalid && code != mainstem.TooLarge {
				t.Errorf("code %s", code)
			}
		})
	}
}

// TestParseLimits meets every limit from both sides.
func TestParseLimits(t *testing.T) {
	clients := func(n int) string {
		var b strings.Builder
		b.WriteString("clients:\n")
		for i := range n {
			fmt.Fprintf(&b, "- {name: c%d, tokens: [{sha256: %064d}], rules: [{rights: [read], groups: [a]}]}\n", i, i)
		}
		return b.String()
	}
	one := func(name string, credentials, rules, groups, prefixes int) string {
		list := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+", ", n), ", ") }
		var tokens []string
		for i := range credentials {
			tokens = append(tokens, fmt.Sprintf("{sha256: %064d}", i))
		}
		rule := fmt.Sprintf("{rights: [read], groups: [%s], prefixes: [%s]}", list(groups, "a"), list(prefixes, "b"))
		return fmt.Sprintf("clients: [{name: %s, tokens: [%s], rules: [%s]}]", name, strings.Join(tokens, ", "), list(rules, rule))
	}
	for _, c := range []struct{ what, fits, beyond string }{
		{"clients", clients(LimitClients), clients(LimitClients + 1)},
		{"rules", one("a", 1, LimitRules, 1, 1), one("a", 1, LimitRules+1, 1, 1)},
		{"groups", one("a", 1, 1, LimitPatterns, 1), one("a", 1, 1, LimitPatterns+1, 1)},
		{"prefixes", one("a", 1, 1, 1, LimitPatterns), one("a", 1, 1, 1, LimitPatterns+1)},
		{"tokens", one("a", LimitCredentials, 1, 1, 1), one("a", LimitCredentials+1, 1, 1, 1)},
		{"name", one(strings.Repeat("x", LimitClient), 1, 1, 1, 1), one(strings.Repeat("x", LimitClient+1), 1, 1, 1, 1)},
		{"bytes", "clients: [] #" + strings.Repeat("x", LimitPolicy-13), "clients: [] #" + strings.Repeat("x", LimitPolicy-12)},
	} {
		if _, err := Parse([]byte(c.fits)); err != nil {
			t.Errorf("%s at the limit: %v", c.what, err)
		}
		if _, err := Parse([]byte(c.beyond)); mainstem.CodeOf(err) != mainstem.TooLarge {
			t.Errorf("%s beyond the limit: %v", c.what, err)
		}
	}
}

func TestAddAndRemove(t *testing.T) {
	next := Entry{
		Name: "next", Tokens: []Token{{SHA256: HashOf("x")}},
		Rules: []Rule{{Rights: []Right{Read, Write}, Groups: []string{"a*"}, Prefixes: []string{"b"}}}, Limits: Limits{Requests: 7},
	}
	text, err := Add([]byte(good), next)
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"# who may come in", "# the shop"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is lost in:\n%s", kept, text)
		}
	}
	p, err := Parse(text)
	if err != nil || len(p.Clients) != 3 || !reflect.DeepEqual(p.Clients[2], next) {
		t.Errorf("after Add: %v, %+v", err, p)
	}
	if _, err := Add(text, next); !errors.Is(err, ErrExists) || mainstem.CodeOf(err) != mainstem.Exists {
		t.Errorf("the same client again: %v", err)
	}
	if _, err := Add(text, Entry{Name: "x"}); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("a client without anything: %v", err)
	}
	for _, name := range []string{"next", "web", "ship"} {
		if text, err = Remove(text, name); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := Parse(text); err != nil || len(p.Clients) != 0 {
		t.Errorf("after everybody was removed: %v, %+v\n%s", err, p, text)
	}
	if _, err := Remove(text, "web"); !errors.Is(err, ErrNoClient) {
		t.Errorf("nobody removed: %v", err)
	}
	if text, err = Add(nil, next); err != nil || !strings.Contains(string(text), "name: next") {
		t.Errorf("the first client: %v\n%s", err, text)
	}
}

// FuzzParse: any text is a policy or an error of the two codes, and a policy that
// was read can be written, read again, and added to.
func FuzzParse(f *testing.F) {
	f.Add(good)
	for _, c := range bad {
		f.Add(strings.Replace(good, c.old, c.new, 1))
	}
	f.Add("clients: &a [*a]")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse([]byte(text))
		if err != nil {
			if code := mainstem.CodeOf(err); code != mainstem.Invalid && code != mainstem.TooLarge {
				t.Fatalf("code %s: %v", code, err)
			}
			return
		}
		makePolicy(p, nil)
		fresh := Entry{Name: "\u2603fresh", Tokens: []Token{{SHA256: HashOf("fuzz")}}, Rules: []Rule{{Rights: []Right{Read}, Groups: []string{"*"}}}}
		if len(p.Clients) >= LimitClients || len(text) > LimitPolicy/4 {
			return
		}
		more, err := Add([]byte(text), fresh)
		if err != nil {
			t.Fatalf("adding to what was read: %v\n%s", err, text)
		}
		again, err := Parse(more)
		if err != nil || !reflect.DeepEqual(again.Clients[:len(p.Clients)], p.Clients) && len(p.Clients) > 0 {
			t.Fatalf("read again it is another: %v\n%s\n%s", err, text, more)
		}
	})
}
