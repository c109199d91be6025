package server

import (
	"context"
	"encoding/binary"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// strict is a Backend that does nothing but hold what arrives to its rules.
type strict struct{ t *testing.T }

func (b strict) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if !t.Networked && mainstem.FollowerOf(ctx) == "" { // those the server makes itself
		b.t.Error("a transaction from the network is not marked so")
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	again, err := wire.ParseTransaction(wire.Transaction(t))
	if err != nil || again.Size() != t.Size() {
		b.t.Errorf("%+v was accepted, and written and read it is %+v, %v", t, again, err)
	}
	return &mainstem.Receipt{Position: 1}, nil
}

func (b strict) View(_ context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if again, err := wire.ParseViewRequest(wire.ViewRequest(r)); err != nil || again.Group != r.Group || again.ID != r.ID {
		b.t.Errorf("%+v was accepted, and written and read it is %+v, %v", r, again, err)
	}
	return b, nil
}

func (b strict) Read(_ context.Context, q mainstem.Query) (mainstem.Answer, error) {
	if again, err := wire.ParseQuery(wire.Query(q), ""); err != nil || again != q {
		b.t.Errorf("%+v was accepted, and written and read it is %+v, %v", q, again, err)
	}
	return mainstem.Answer{}, q.Validate()
}

func (strict) Known() *mainstem.Receipt { return nil }
func (strict) Stamp() mainstem.Stamp    { return mainstem.Stamp{} }
func (strict) Close() error             { return nil }

func (b strict) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(func(mainstem.Batch, error) bool) {
		if err := from.Validate(); err != nil {
			b.t.Errorf("a feed that cannot be has begun: %v", err)
		}
		if name := mainstem.FollowerOf(ctx); name != "" && !from.Drain { // else it would be read again and again
			<-ctx.Done()
		}
	}
}

// calls are what a stranger can send to.
var calls = []string{
	"Commit", "Read", "Changes", "Status", "Submit", "View", "Follow", "Acknowledge",
	"/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/feed",
}

// kinds are the content types; those of streams are framed.
var kinds = []string{
	"application/json", "application/proto", "application/connect+json", "application/connect+proto", "application/grpc", "application/grpc+json",
	"application/grpc-web+proto", "application/grpc-web-text", "text/plain", "",
}

// FuzzRequests sends anything to every call, in every protocol: nothing panics,
// everything is answered, and what reaches the database holds to its rules.
func FuzzRequests(f *testing.F) {
	commit := &pb.CommitRequest{Transaction: &pb.Transaction{Group: "g", Id: "i", Operations: []*pb.Operation{{Operation: &pb.Operation_Add{Add: &pb.Add{Name: "n", Delta: 1}}}}}}
	raw, err := proto.Marshal(commit)
	if err != nil {
		f.Fatal(err)
	}
	text, err := marshal(commit)
	if err != nil {
		f.Fatal(err)
	}
	const read = `{"group":"g","at":{"within":"1s"},"queries":[{"scan":{"from":"a","max":3}},{"id":{"name":"i"}}]}`
	const follow = `{"follower":"f","match":{"groups":["g"]},"max":3,"hand_over":"0.3s","patience":"60s"}`
	done := `{"follower":"f","shard":3,"fence":"7","token":"` + mainstem.NewToken(mainstem.Mark{Position: 3}).String() + `"}`
	framed := func(s string) string {
		return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s)))) + s
	}
	for call := range byte(len(calls)) {
		for kind := range byte(len(kinds)) {
			s := string(raw)
			if strings.Contains(kinds[kind], "json") {
				s = map[byte]string{0: string(text), 1: read, 2: `{"drain":true,"match":{"kinds":["EFFECT_KIND_PUT"]}}`, 6: follow, 7: done}[call]
			}
			f.Add(call, kind, framed(s))
			f.Add(call, kind, s)
		}
	}
	f.Fuzz(func(t *testing.T, call, kind byte, body string) {
		path := calls[int(call)%len(calls)]
		if !strings.HasPrefix(path, "/") {
			path = "/" + serviceName + "/" + path
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // a follower waits
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		r.ProtoMajor, r.ProtoMinor = 2, 0
		r.Header.Set("Content-Type", kinds[int(kind)%len(kinds)])
		to := httptest.NewRecorder()
		s := New(strict{t})
		s.ServeHTTP(to, r)
		if to.Code < 200 || to.Code > 599 || to.Code == http.StatusInternalServerError {
			t.Errorf("status %d: %s", to.Code, to.Body)
		}
		s.calls.Wait()
		if n := s.views.taken.Load() + s.feeds.taken.Load(); n != 0 {
			t.Errorf("%d places were not given back", n)
		}
	})
}

// FuzzJSON: what the server reads from JSON it writes, and reads again as the same.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"transaction":{"group":"g","id":"i","fingerprint_base64":"AQ==","conditions":[{"key_equals":{"name":"k","counter":"-1"}}],"operations":[{"put":{"name":"k","value":"é","ttl":"3.5s"}}]}}`,
		`{"group":"g","at":{"as_of_time":"2026-01-01T00:00:00.000000001Z"},"queries":[{"events":{"stream":"s","after":"18446744073709551615"}}]}`,
		`{"after":"","match":{"groups":["a"],"kinds":["EFFECT_KIND_ADD",1],"end_slot":4096},"max":2147483647,"drain":true}`,
		`{"follower":"f","shard":-1,"fence":"18446744073709551615","token":"é","hand_over":"0.000000001s","patience":"315576000000s"}`, `{"open":{"at":{"local":true}}}`, `{"query":{"groups":{"after":"a"}}}`, `{"submissions":[{"number":"1","timeout":"-1"}]}`, `{`, `[]`, `nul`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range []proto.Message{new(pb.CommitRequest), new(pb.ReadRequest), new(pb.ChangesRequest), new(pb.ViewRequest), new(pb.SubmitRequest), new(pb.FollowRequest), new(pb.AcknowledgeRequest)} {
			if err := (readable{}).Unmarshal(text, m); err != nil {
				if err.Error() == "" || len(err.Error()) > 1<<10+len(text) {
					t.Errorf("%d bytes of JSON have an error of %d: %.200v", len(text), len(err.Error()), err)
				}
				continue
			}
			written, err := readable{}.Marshal(m)
			if err != nil {
				t.Fatalf("%v was read and cannot be written: %v", m, err)
			}
			again := m.ProtoReflect().New().Interface()
			if err := (readable{}).Unmarshal(written, again); err != nil || !proto.Equal(m, again) {
				t.Errorf("%s is read as %v, %v, and was %v", written, again, err, m)
			}
		}
	})
}
