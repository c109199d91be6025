package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/server"
)

// handedLine is a line of a follower's feed.
type handedLine struct {
	Group, Lag  string
	Effects     []struct{ Name string }
	Acknowledge json.RawMessage
	Error       struct{ Code, Advice string }
}

// followLines reads a follower's feed: next is its next line that is one.
func followLines(t *testing.T, base, query string) (next func() handedLine, end func()) {
	t.Helper()
	response, err := plain.Do(feed(t, base, query))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(response.Body)
	next = func() (l handedLine) {
		t.Helper()
		for in.Scan() {
			if in.Text() == "" {
				continue // a sign of life
			}
			if err := json.Unmarshal(in.Bytes(), &l); err != nil {
				t.Fatalf("%q is no line of a feed: %v", in.Text(), err)
			}
			return l
		}
		t.Fatalf("the feed has ended: %v", in.Err())
		return l
	}
	return next, func() { _ = response.Body.Close() }
}

const acknowledge = "/mainstem.v1.DatabaseService/Acknowledge"

// TestFollowAsLines: what is not acknowledged comes again, what is does not, and the
// body of the call is what came with the batch, as it is.
func TestFollowAsLines(t *testing.T) {
	db := mainstemtest.Open(t)
	base := mainstemtest.Serve(t, db.Backend())
	for i := range 3 {
		put(t, db.DB, "a", fmt.Sprint("k", i), "v")
	}
	put(t, db.DB, "b", "other", "v")
	const query = "follower=books&group=a&prefix=k"
	next, end := followLines(t, base, query)
	var last handedLine
	for i := range 3 {
		if last = next(); last.Group != "a" || last.Effects[0].Name != fmt.Sprint("k", i) {
			t.Errorf("for k%d came %+v", i, last)
		}
	}
	end()
	next, end = followLines(t, base, query)
	for i := range 3 {
		if last = next(); last.Effects[0].Name != fmt.Sprint("k", i) {
			t.Errorf("again, for k%d came %+v", i, last)
		}
	}
	if last.Acknowledge == nil || last.Lag == "" || last.Lag == "0" {
		t.Errorf("the last line of a batch is %+v", last)
	}
	for range 2 { // the second call is a retry
		if status, text := post(t, base+acknowledge, "application/json", bytes.NewReader(last.Acknowledge)); status != http.StatusOK || text != "{}" {
			t.Errorf("acknowledged: %d %s", status, text)
		}
	}
	end()
	put(t, db.DB, "a", "k3", "v")
	next, end = followLines(t, base, query)
	defer end()
	if l := next(); l.Effects[0].Name != "k3" {
		t.Errorf("after an acknowledgement came %+v", l)
	}
	stale := strings.Replace(string(last.Acknowledge), `"fence":"`, `"fence":"1`, 1) // none that there was
	if status, text := post(t, base+acknowledge, "application/json", strings.NewReader(stale)); status != http.StatusOK {
		t.Errorf("an acknowledgement that says nothing new: %d %s", status, text)
	}
}

// followRPC begins a stream, and gives what receives its next batch, past signs of life.
func followRPC(t *testing.T, rpc mainstemv1connect.DatabaseServiceClient, m *pb.FollowRequest) (next func() (*pb.FollowResponse, error), end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := rpc.Follow(ctx, connect.NewRequest(m))
	if err != nil {
		t.Fatal(err)
	}
	next = func() (*pb.FollowResponse, error) {
		for stream.Receive() {
			if !stream.Msg().GetHeartbeat() {
				return stream.Msg(), nil
			}
		}
		return nil, wire.Failure(stream.Err(), mainstem.Unavailable)
	}
	return next, func() { cancel(); _ = stream.Close() }
}

// TestFollowerOutlivesTheServer: the server and its database die, and what was
// acknowledged before is all that does not come again.
func TestFollowerOutlivesTheServer(t *testing.T) {
	db, disk := mainstemtest.OpenFaulty(t)
	handler := server.New(db.Backend())
	rpc := mainstemv1connect.NewDatabaseServiceClient(http.DefaultClient, mainstemtest.ServeHandler(t, handler))
	for i := range 4 {
		put(t, db.DB, "a", fmt.Sprint("k", i), "v")
	}
	request := &pb.FollowRequest{Follower: "books", Max: 1, HandOver: durationpb.New(300 * time.Millisecond)}
	next, end := followRPC(t, rpc, request)
	var all []*pb.FollowResponse
	for range 4 {
		m, err := next()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	if _, err := rpc.Acknowledge(t.Context(), connect.NewRequest(all[1].GetAcknowledge())); err != nil {
		t.Fatal(err)
	}
	disk.Fail() // from here on nothing is written, nor given back
	if _, err := rpc.Acknowledge(t.Context(), connect.NewRequest(all[2].GetAcknowledge())); err == nil {
		t.Fatal("a disk that fails has taken an acknowledgement")
	}
	end()
	_ = db.Close() // it has stopped
	disk.Heal()
	again, err := disk.Reopen(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	rpc = mainstemv1connect.NewDatabaseServiceClient(http.DefaultClient, mainstemtest.Serve(t, again.Backend()))
	next, end = followRPC(t, rpc, request)
	defer end()
	first, err := next()
	if err != nil {
		t.Fatal(err)
	}
	name := first.GetChanges()[0].GetEffects()[0].GetName()
	if name != "k2" && name != "k3" { // the third was undecided
		t.Errorf("after the restart %s comes first", name)
	}
	_, err = rpc.Acknowledge(t.Context(), connect.NewRequest(all[3].GetAcknowledge()))
	if code := wire.Failure(err, mainstem.Unavailable).Code; code != mainstem.Fenced {
		t.Errorf("acknowledging what the server before handed out: %v", err)
	}
}

// lingering is a Backend in which a lease is given back only when it is told so.
type lingering struct {
	mainstem.Backend
	came func()
	open chan struct{}
}

func (l lingering) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	for _, o := range t.Operations {
		if _, gives := o.(mainstem.Release); gives {
			l.came()
			<-l.open
		}
	}
	return l.Backend.Commit(ctx, t)
}

// TestFollowSaysThatItEnds: a server that drains gives the shards back before it is
// done, so that whoever comes next has them at once.
func TestFollowSaysThatItEnds(t *testing.T) {
	db := mainstemtest.Open(t)
	came, open := make(chan struct{}), make(chan struct{})
	handler := server.New(lingering{db.Backend(), sync.OnceFunc(func() { close(came) }), open})
	base := mainstemtest.ServeHandler(t, handler)
	put(t, db.DB, "a", "k", "v")
	next, end := followLines(t, base, "follower=books")
	defer end()
	next()
	drained := make(chan error, 1)
	go func() { drained <- handler.Drain(t.Context()) }()
	<-came
	select {
	case err := <-drained:
		t.Fatalf("drained before the shards are given back: %v", err)
	default:
	}
	close(open)
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if l := next(); l.Error.Code != "unavailable" || l.Error.Advice == "" {
		t.Errorf("the last line is %+v", l)
	}
	for shard := range mainstem.FollowShards {
		v, err := db.Group(fmt.Sprintf("~follow/books/%02d", shard)).View(t.Context(), mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		l, err := v.Lease(t.Context(), "~shard")
		if err != nil || l.Token != 0 && !l.Released {
			t.Errorf("shard %d after draining: %+v, %v", shard, l, err)
		}
		_ = v.Close()
	}
	if status, text := answered(t, feed(t, base, "follower=books")); status != http.StatusServiceUnavailable {
		t.Errorf("a server that leaves: %d %s", status, text)
	}
}

// TestFollowBeats: signs of life come in time; who reads them and acknowledges nothing
// has one turn and its patience; who reads nothing any more has no longer one.
func TestFollowBeats(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := mainstemtest.Open(t)
			b := enter(t, server.New(db.Backend()))
			rpc := mainstemv1connect.NewDatabaseServiceClient(b.http(version2), "http://pipe")
			stream, err := rpc.Follow(t.Context(), connect.NewRequest(&pb.FollowRequest{Follower: "books", Patience: durationpb.New(time.Minute)}))
			if err != nil {
				t.Fatal(err)
			}
			last := time.Now()
			for beats := range 10 {
				if !stream.Receive() || !stream.Msg().GetHeartbeat() || time.Since(last) > server.Heartbeat {
					t.Fatalf("sign of life %d after %s: %v, %v", beats, time.Since(last), stream.Msg(), stream.Err())
				}
				last = time.Now()
			}
			put(t, db.DB, "a", "k", "v")
			began := time.Now()
			changes := 0
			for stream.Receive() {
				changes += len(stream.Msg().GetChanges())
			}
			if code := wire.Failure(stream.Err(), mainstem.Unavailable).Code; code != mainstem.Fenced || changes != 1 {
				t.Errorf("who acknowledges nothing has %d changes and %v", changes, stream.Err())
			}
			if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
				t.Errorf("patience was lost after %s", took)
			}
			_ = stream.Close()
		})
	}
}

// TestDeadFollowersLoseTheirTurn: who does not read what waits to be written keeps the
// changes from others for as long as its patience, not as its connection lives.
func TestDeadFollowersLoseTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := mainstemtest.Open(t)
		handler := server.New(db.Backend())
		b := enter(t, handler)
		value := bytes.Repeat([]byte("v"), 200<<10)
		for i := range 40 { // more than connections in memory hold
			if _, err := db.Group("a").Do(t.Context(), fmt.Sprint(i), func(tx *mainstem.Txn) error { tx.Put("k", value); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		dead := b.raw()
		if _, err := io.WriteString(dead, "GET /feed?follower=books HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(dead, make([]byte, 9)); err != nil { // it is under way
			t.Fatal(err)
		}
		began := time.Now()
		next, end := followRPC(t, b.rpc(), &pb.FollowRequest{Follower: "books"})
		defer end()
		if m, err := next(); err != nil || len(m.GetChanges()) == 0 {
			t.Errorf("another has %v, %v", m, err)
		}
		if took := time.Since(began); took > 2*mainstem.DefaultPatience {
			t.Errorf("it had to wait for %s", took)
		}
		time.Sleep(server.PartTimeout + time.Second)
		if n := handler.Figures().Feeds; n != mainstem.FollowShards {
			t.Errorf("%d feeds are open for one that lives", n)
		}
	})
}

// TestFollowRefusals: what is wrong is told before anything is handed out.
func TestFollowRefusals(t *testing.T) {
	db := mainstemtest.Open(t)
	handler := server.New(db.Backend())
	base := mainstemtest.ServeHandler(t, handler)
	for query, word := range map[string]string{
		"follower=": "follower", "follower=a%2Fb": "contains /", "follower=f&follow=false": "waits for what comes", "follower=f&after=x": "token",
		"follower=a&follower=b": "2 times", "follower=" + strings.Repeat("f", mainstem.LimitFollower+1): "too_large",
	} {
		status, text := answered(t, feed(t, base, query))
		if status != http.StatusBadRequest || !strings.Contains(text, word) {
			t.Errorf("%s: %d %s; want %q", query, status, text, word)
		}
	}
	rpc := mainstemv1connect.NewDatabaseServiceClient(http.DefaultClient, base)
	for what, m := range map[string]*pb.FollowRequest{
		"nobody": {}, "max": {Follower: "f", Max: -1}, "more": {Follower: "f", Max: mainstem.LimitOperations + 1},
		"hand over": {Follower: "f", HandOver: durationpb.New(0)}, "patience": {Follower: "f", Patience: durationpb.New(-1)},
		"no duration": {Follower: "f", Patience: &durationpb.Duration{Seconds: 1 << 60}},
	} {
		next, end := followRPC(t, rpc, m)
		if _, err := next(); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", what, err)
		}
		end()
	}
	for what, m := range map[string]*pb.AcknowledgeRequest{
		"nothing": {}, "no token": {Follower: "f", Fence: 1}, "shard": {Follower: "f", Shard: 16, Fence: 1, Token: "x"}, "token": {Follower: "f", Fence: 1, Token: "x"},
	} {
		_, err := rpc.Acknowledge(t.Context(), connect.NewRequest(m))
		if code := wire.Failure(err, mainstem.Unavailable).Code; code != mainstem.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	handler.Bound(10, mainstem.FollowShards)
	put(t, db.DB, "a", "k", "v")
	next, end := followLines(t, base, "follower=f")
	defer end()
	next()
	if status, text := answered(t, feed(t, base, "follower=g")); status != http.StatusTooManyRequests {
		t.Errorf("beyond the limit: %d %s", status, text)
	}
}
