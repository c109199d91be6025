package access

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/server"
)

// TestForgedTokensByEveryCall: a token that is cut off, changed, longer, or of another
// server is let in by no call of any service, those of operators included, and the one
// that is right by each.
func TestForgedTokensByEveryCall(t *testing.T) {
	mine, foreign := NewToken(), NewToken()
	one := entry("c", everything, Rule{Rights: []Right{Admin}, Groups: []string{"*"}})
	one.Tokens = []Token{{SHA256: HashOf(mine)}}
	gate := gateOf(t, one)
	called := 0
	handler := server.New(database(t).Backend(), server.Guard(Guarded), server.Admin(func(context.Context) error { return nil }, server.Operations{
		Move: func(context.Context, string, func(*pb.MoveResponse)) (*pb.MoveResponse, error) {
			called++
			return &pb.MoveResponse{}, nil
		},
		Members: func() []*pb.Member { called++; return nil },
		Forget:  func(context.Context, string) error { called++; return nil },
	}))
	web := httptest.NewServer(Middleware(gate, handler))
	t.Cleanup(web.Close)
	paths := []string{"/feed", "/readyz", "/healthz", "/grpc.health.v1.Health/Check"}
	for _, file := range []protoreflect.FileDescriptor{pb.File_mainstem_v1_database_proto, pb.File_mainstem_v1_admin_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				paths = append(paths, "/"+string(service.FullName())+"/"+string(service.Methods().Get(j).Name()))
			}
		}
	}
	t.Log(len(paths), "ways in") // 15 or more
	last := "A"
	if strings.HasSuffix(mine, last) {
		last = "B"
	}
	forged := map[string]string{
		"cut off": mine[:len(mine)-1], "changed": mine[:len(mine)-1] + last, "longer": mine + "A", "foreign": foreign,
		"its hash": HashOf(mine).String(), "its client": "c", "in capitals": strings.ToUpper(mine),
	}
	for _, path := range paths {
		status := func(token string) (int, string) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, web.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(text)
		}
		for what, token := range forged {
			if code, text := status(token); code != http.StatusUnauthorized || strings.Contains(text, mine) {
				t.Errorf("%s with a token that is %s: %d %s", path, what, code, text)
			}
		}
		if called != 0 {
			t.Fatalf("%s was called", path)
		}
		if code, text := status(mine); code == http.StatusUnauthorized {
			t.Errorf("%s with the right one: %d %s", path, code, text)
		}
		called = 0
	}
}
