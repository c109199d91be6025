package access

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// hidden is what the client of these tests must never see.
const hidden = "hidden-content"

// shop is a server before a database with things inside and outside of what its client
// c, whose token is its name, may do: everything on in/… of the group g.
type shop struct {
	t    *testing.T
	base string
	db   *remote.DB
}

func openShop(t *testing.T) shop {
	t.Helper()
	behind := database(t)
	for _, w := range []struct{ group, name string }{{"g", "in/a"}, {"g", "out/there"}, {"h", "in/a"}} {
		text := []byte(hidden)
		if w.group == "g" && w.name == "in/a" {
			text = []byte("shown")
		}
		_, err := behind.Backend().Commit(t.Context(), &mainstem.Transaction{
			Group: w.group, ID: mainstem.ID{Opaque: w.name}, Attempt: 1, Reply: text, Meta: mainstem.Meta{Request: w.group + w.name},
			Operations: []mainstem.Operation{
				mainstem.Put{Name: w.name, Value: mainstem.Bytes(text)},
				mainstem.Append{Stream: w.name, Events: []mainstem.Event{{Type: "t", Data: text}}},
				mainstem.Acquire{Lease: w.name, Owner: string(text), TTL: 1 << 40},
				mainstem.Emit{Topic: w.name, Event: mainstem.Event{Type: "t", Data: text}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	gate := gateOf(t, entry("c", Rule{Rights: []Right{Read, Write, Feed}, Groups: []string{"g"}, Prefixes: []string{"in/"}}))
	web := httptest.NewUnstartedServer(Middleware(gate, server.New(behind.Backend(), server.Guard(Guarded))))
	web.Config = server.HTTP(web.Config.Handler)
	web.Start()
	t.Cleanup(web.Close)
	db, err := remote.Open(web.URL, remote.Bearer(func() (string, error) { return "c", nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // before the server, which waits for it
	return shop{t, web.URL, db}
}

// call posts a message as JSON, and says which code came back in which words.
func (s shop) call(name string, m proto.Message) (mainstem.Code, string) {
	s.t.Helper()
	body, err := protojson.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	kind := "application/json"
	if name == "Changes" || name == "Follow" {
		kind, body = "application/connect+json", append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	}
	return s.send(http.MethodPost, "/mainstem.v1.DatabaseService/"+name, kind, body)
}

func (s shop) send(method, path, kind string, body []byte) (mainstem.Code, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer c")
	r.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	code := mainstem.Code(0)
	if response.StatusCode == http.StatusForbidden || strings.Contains(string(text), `"permission_denied"`) {
		code = mainstem.Denied
	}
	return code, string(text)
}

// commit sends a transaction every way there is.
func (s shop) commit(t *mainstem.Transaction) map[string]answered {
	code, text := s.call("Commit", &pb.CommitRequest{Transaction: wire.Transaction(t)})
	r, err := s.db.Backend().Commit(s.t.Context(), t)
	submitted := answered{code: mainstem.CodeOf(err)}
	if err != nil {
		submitted.text = err.Error()
	} else {
		submitted.text = string(r.Reply)
	}
	return map[string]answered{"Commit": {code, text}, "Submit": submitted}
}

// ask asks a question every way there is.
func (s shop) ask(q mainstem.Query) map[string]answered {
	s.t.Helper()
	code, text := s.call("Read", &pb.ReadRequest{Group: q.Group, At: wire.Consistency(mainstem.Latest()), Queries: []*pb.Query{wire.Query(q)}})
	all := map[string]answered{"Read": {code, text}}
	v, err := s.db.Backend().View(s.t.Context(), mainstem.ViewRequest{Group: q.Group, At: mainstem.Latest()})
	if err == nil {
		defer v.Close()
		var a mainstem.Answer
		a, err = v.Read(s.t.Context(), q)
		text = wire.Answer(a).String()
	}
	if err != nil {
		text = err.Error()
	}
	all["View"] = answered{mainstem.CodeOf(err), text}
	return all
}

type answered struct {
	code mainstem.Code
	text string
}

// inside holds what is sent about each of some names to what the client may do there.
func (s shop) inside(kind string, send func(group, name string) map[string]answered) {
	s.t.Helper()
	said := map[string]map[string]bool{}
	for _, w := range []struct {
		group, name string
		inside      bool
	}{{"g", "in/a", true}, {"g", "out/there", false}, {"g", "out/gone", false}, {"h", "in/a", false}, {"h", "in/gone", false}} {
		for call, got := range send(w.group, w.name) {
			if (got.code != mainstem.Denied) != w.inside {
				s.t.Errorf("%s of %s/%s by %s: %s", kind, w.group, w.name, call, got.text)
			}
			if strings.Contains(got.text, hidden) || !w.inside && strings.Contains(got.text, w.name) {
				s.t.Errorf("%s of %s/%s by %s tells too much: %s", kind, w.group, w.name, call, got.text)
			}
			if said[call+w.group] == nil {
				said[call+w.group] = map[string]bool{}
			}
			if !w.inside {
				said[call+w.group][got.text] = true
			}
		}
	}
	for call, texts := range said {
		if len(texts) != 1 {
			s.t.Errorf("%s by %s is refused in words that differ: %q", kind, call, slices.Sorted(maps.Keys(texts)))
		}
	}
}

// TestEveryCallStaysInside sends every kind of condition, operation and question, by
// every call of the wire, about names inside one's rights and outside of them. What is
// outside is Denied in words that tell neither whether it is there nor what it holds.
func TestEveryCallStaysInside(t *testing.T) {
	s := openShop(t)
	n := 0
	try := s.inside
	transaction := func(group string, c []mainstem.Condition, o []mainstem.Operation) *mainstem.Transaction {
		n++
		return &mainstem.Transaction{Group: group, ID: mainstem.ID{Session: mainstem.SessionID{7}, Number: uint64(n), Low: 1}, Attempt: 1, Conditions: c, Operations: o}
	}
	for kind, make := range conditions {
		try(kind, func(group, name string) map[string]answered {
			return s.commit(transaction(group, []mainstem.Condition{make(name)}, nil))
		})
	}
	for kind, make := range operations {
		if kind == "Void" { // it would void the ID of the question below
			continue
		}
		try(kind, func(group, name string) map[string]answered {
			return s.commit(transaction(group, nil, []mainstem.Operation{make(name)}))
		})
	}
	for kind, make := range queries {
		if make == nil {
			continue
		}
		try(kind, func(group, name string) map[string]answered {
			q := make(name)
			q.Group = group
			return s.ask(q)
		})
	}
	try("an ID", func(group, name string) map[string]answered {
		return s.commit(&mainstem.Transaction{Group: group, ID: mainstem.ID{Opaque: name}, Attempt: 1})
	})
	try("an ID looked up", func(group, name string) map[string]answered {
		code, text := s.call("Read", &pb.ReadRequest{Group: group, At: wire.Consistency(mainstem.Latest()), Id: name})
		return map[string]answered{"Read": {code, text}}
	})
	for call, got := range s.ask(mainstem.Query{Kind: mainstem.QueryGroups}) {
		if got.code != mainstem.Denied {
			t.Errorf("the groups by %s: %s", call, got.text)
		}
	}
	for what, q := range map[string]mainstem.Query{"scan": {Kind: mainstem.QueryScan, Group: "g"}, "streams": {Kind: mainstem.QueryStreams, Group: "g", Name: "in/"}} {
		for call, got := range s.ask(q) { // both go beyond in/
			if got.code != mainstem.Denied {
				t.Errorf("a %s of everything by %s: %s", what, call, got.text)
			}
		}
	}
}

// TestEveryFeedStaysInside: by each call that there is for feeds, and however they are
// filtered.
func TestEveryFeedStaysInside(t *testing.T) {
	s := openShop(t)
	follow := func(m mainstem.Match) map[string]answered {
		from := mainstem.From{Match: m, Drain: true}
		code, text := s.call("Changes", wire.From(from))
		all := map[string]answered{"Changes": {code, text}}
		var seen strings.Builder
		var failed error
		for batch, err := range s.db.Changes(t.Context(), from) {
			seen.WriteString(wire.Batch(batch).String())
			failed = err
		}
		if failed != nil {
			seen.WriteString(failed.Error())
		}
		all["Changes of the library"] = answered{mainstem.CodeOf(failed), seen.String()}
		query := "?prefix=" + m.NamePrefix
		for _, group := range m.Groups {
			query += "&group=" + group
		}
		if m.NamePrefix == "" {
			query = strings.Replace(query, "prefix=&", "", 1)
			query = strings.TrimSuffix(query, "?prefix=")
		}
		code, text = s.send(http.MethodGet, "/feed"+query, "", nil)
		all["/feed"] = answered{code, text}
		return all
	}
	for _, c := range []struct {
		what    string
		match   mainstem.Match
		allowed bool
	}{
		{"everything", mainstem.Match{}, true},
		{"its own", mainstem.Match{Groups: []string{"g"}, NamePrefix: "in/"}, true},
		{"another group", mainstem.Match{Groups: []string{"h"}}, false},
		{"another group beside its own", mainstem.Match{Groups: []string{"g", "h"}}, false},
		{"other names", mainstem.Match{Groups: []string{"g"}, NamePrefix: "out/"}, false},
		{"a group that is not there", mainstem.Match{Groups: []string{"nothing"}}, false},
	} {
		for call, got := range follow(c.match) {
			if (got.code != mainstem.Denied) != c.allowed {
				t.Errorf("%s by %s: %s", c.what, call, got.text)
			}
			if c.allowed && !strings.Contains(got.text, "in/a") {
				t.Errorf("%s by %s does not show what it may: %s", c.what, call, got.text)
			}
			for _, secret := range []string{hidden, "out/", "hin/a"} {
				if strings.Contains(got.text, secret) {
					t.Errorf("%s by %s shows %q: %s", c.what, call, secret, got.text)
				}
			}
		}
	}
}

// TestNobodyIsLetInAnywhere: without a token there is no way in, whatever is asked for.
func TestNobodyIsLetInAnywhere(t *testing.T) {
	s := openShop(t)
	paths := []string{"/feed", "/readyz", "/healthz", "/", "/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}
	calls := pb.File_mainstem_v1_database_proto.Services().ByName("DatabaseService").Methods()
	for i := range calls.Len() {
		paths = append(paths, "/mainstem.v1.DatabaseService/"+string(calls.Get(i).Name()))
	}
	for _, path := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, token := range []string{"", "Bearer ", "Bearer x", "Basic Yzpj"} {
				r, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				if token != "" {
					r.Header.Set("Authorization", token)
				}
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(response.Body)
				if response.StatusCode != http.StatusUnauthorized || err != nil || !strings.HasPrefix(string(text), `{"code":"denied"`) {
					t.Errorf("%s %s with %q: %d %s, %v", method, path, token, response.StatusCode, text, err)
				}
				if err := response.Body.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
