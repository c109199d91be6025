package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// TestStrangeTokensByEveryCall: a token that is cut off or changed is invalid, and one of
// another history is lost, by every call that takes one; none of them is kept.
func TestStrangeTokensByEveryCall(t *testing.T) {
	db, other := mainstemtest.Open(t), mainstemtest.Open(t)
	base := mainstemtest.Serve(t, db.Backend())
	put(t, db.DB, "a", "k", "v")
	put(t, other.DB, "a", "k", "v")
	seen := func(db *mainstem.DB) mainstem.Token {
		v, err := db.Group("a").View(t.Context(), mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		return v.Stamp().Token
	}
	own := seen(db.DB)
	mark := own.Marks()[0]
	mark.Position += 1 << 20
	text := own.String()
	changed := []byte(text)
	changed[len(changed)/2] ^= 1
	client := rpc(t, base)
	handed, end := followRPC(t, client, &pb.FollowRequest{Follower: "sound"})
	defer end()
	batch, err := handed()
	if err != nil {
		t.Fatal(err)
	}
	calls := takers(t, db.DB, base, batch.GetAcknowledge())
	for what, c := range map[string]struct {
		token string
		want  mainstem.Code
	}{
		"cut off": {text[:len(text)-3], mainstem.Invalid}, "changed": {string(changed), mainstem.Invalid}, "longer": {text + "AAAA", mainstem.Invalid},
		"of another database": {seen(other.DB).String(), mainstem.HistoryLost}, "made up": {mainstem.NewToken(mark).String(), mainstem.HistoryLost},
		"its own": {text, 0},
	} {
		for call, ask := range calls {
			if got := ask(c.token); got != c.want {
				t.Errorf("a token that is %s by %s: %v, want %v", what, call, got, c.want)
			}
		}
	}
	v, err := db.Get(t.Context(), mainstem.FollowGroup("sound", "a"), "~cursor", mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	if cursor, err := mainstem.ParseToken(v.Value.String()); err != nil || len(cursor.Marks()) != 1 || cursor.Marks()[0].Incarnation != mark.Incarnation {
		t.Errorf("the cursor is %v, %v", cursor.Marks(), err)
	}
}

// takers are the calls that take a token, each with what it comes to.
func takers(t *testing.T, db *mainstem.DB, base string, a *pb.AcknowledgeRequest) map[string]func(token string) mainstem.Code {
	statuses := map[int]mainstem.Code{http.StatusOK: 0, http.StatusBadRequest: mainstem.Invalid, http.StatusGone: mainstem.HistoryLost}
	lines := func(query string) func(string) mainstem.Code {
		return func(token string) mainstem.Code {
			response, err := plain.Do(feed(t, base, query+"after="+url.QueryEscape(token)))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			code, known := statuses[response.StatusCode]
			if !known {
				t.Errorf("status %d", response.StatusCode)
			}
			return code
		}
	}
	client := rpc(t, base)
	return map[string]func(token string) mainstem.Code{
		"Read": func(token string) mainstem.Code {
			_, err := client.Read(t.Context(), connect.NewRequest(&pb.ReadRequest{Group: "a", At: &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: token}}}))
			return codeOr0(err)
		},
		"View": func(token string) mainstem.Code {
			stream := client.View(t.Context())
			defer stream.CloseResponse() // what was received counts
			defer stream.CloseRequest()
			_ = stream.Send(&pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: &pb.ReadRequest{
				Group: "a", At: &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: token}},
			}}}) // Receive tells
			_, err := stream.Receive()
			return codeOr0(err)
		},
		"Changes": func(token string) mainstem.Code {
			stream, err := client.Changes(t.Context(), connect.NewRequest(&pb.ChangesRequest{After: token, Drain: true}))
			if err != nil {
				return codeOr0(err)
			}
			for stream.Receive() {
			}
			return codeOr0(stream.Err())
		},
		"Follow": func(token string) mainstem.Code {
			next, end := followRPC(t, client, &pb.FollowRequest{Follower: "f" + token, After: token, HandOver: durationpb.New(time.Second)})
			defer end()
			put(t, db, "a", "after"+token, "v")
			_, err := next()
			return mainstem.CodeOf(err)
		},
		"Acknowledge": func(token string) mainstem.Code {
			_, err := client.Acknowledge(t.Context(), connect.NewRequest(&pb.AcknowledgeRequest{Follower: a.GetFollower(), Shard: a.GetShard(), Fence: a.GetFence(), Token: token}))
			return codeOr0(err)
		},
		"/feed": lines(""),
	}
}

// codeOr0 is the code of the end of a call, 0 where it succeeded.
func codeOr0(err error) mainstem.Code {
	if err == nil {
		return 0
	}
	return wire.Failure(err, mainstem.Unavailable).Code
}
