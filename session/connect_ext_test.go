package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/session"
)

type (
	text     = wrapperspb.StringValue
	request  = connect.Request[text]
	response = connect.Response[text]
)

// calls is the service of profiles in Connect: Put writes, Get reads what the replica
// has, Watch reads it as a stream.
func calls() http.Handler {
	profile := func(ctx context.Context) mainstem.Group { return session.Of(ctx).DB().Group("profile-1") }
	read := func(ctx context.Context) (*text, error) {
		v, err := profile(ctx).Get(ctx, "name", mainstem.Local())
		return wrapperspb.String(string(v.Value.Bytes)), err
	}
	mux := http.NewServeMux()
	mux.Handle("/Put", connect.NewUnaryHandler("/Put", func(ctx context.Context, r *request) (*response, error) {
		_, err := profile(ctx).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("name", []byte(r.Msg.GetValue())); return nil })
		return connect.NewResponse(r.Msg), err
	}))
	mux.Handle("/Get", connect.NewUnaryHandler("/Get", func(ctx context.Context, _ *request) (*response, error) {
		m, err := read(ctx)
		return connect.NewResponse(m), err
	}))
	mux.Handle("/Watch", connect.NewServerStreamHandler("/Watch", func(ctx context.Context, _ *request, to *connect.ServerStream[text]) error {
		m, err := read(ctx)
		if err != nil {
			return err
		}
		return errors.Join(to.Send(m), to.Send(m))
	}))
	return mux
}

// TestOwnWritesAreReadWithConnect: as with plain HTTP, in each protocol of Connect,
// with one answer and with a stream of them. Without the token the read is stale.
func TestOwnWritesAreReadWithConnect(t *testing.T) {
	for name, protocol := range map[string]connect.ClientOption{
		"Connect": connect.WithClientOptions(), "JSON": connect.WithProtoJSON(), "gRPC-Web": connect.WithGRPCWeb(), "gRPC": connect.WithGRPC(),
	} {
		for _, carried := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				behind := mainstemtest.Open(t)
				config := session.Config{Keys: [][]byte{key('k')}}
				pods := []*pod{newPod(t, behind.Backend(), config, calls()), newPod(t, behind.Backend(), config, calls())}
				client, proxy := browser(t, false), roundRobin(t, pods...)
				if name == "gRPC" { // which needs HTTP/2, and this proxy has none
					transport := &http.Transport{Protocols: new(http.Protocols)}
					transport.Protocols.SetUnencryptedHTTP2(true)
					t.Cleanup(transport.CloseIdleConnections)
					client.Transport, proxy = transport, pods[0].url.String()
					pods = pods[:1]
				}
				to := func(call string) *connect.Client[text, text] {
					return connect.NewClient[text, text](client, proxy+call, protocol)
				}
				written, err := to("/Put").CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("anna")))
				if err != nil {
					t.Fatal(err)
				}
				token := written.Header().Get(session.Header)
				if token == "" {
					t.Fatal("the answer to a write has no token")
				}
				answers := make(chan string, 2*len(pods))
				for range pods {
					for _, call := range []string{"/Get", "/Watch"} {
						go func() {
							r := connect.NewRequest(wrapperspb.String(""))
							if carried {
								r.Header().Set(session.Header, token)
							}
							answers <- readCall(t, to(call), call == "/Watch", r, carried)
						}()
					}
				}
				want := ""
				if carried {
					want = "anna"
					catchUp(t, pods)
				}
				for range 2 * len(pods) {
					if got := <-answers; got != want {
						t.Errorf("token carried %t: read %q after writing anna", carried, got)
					}
				}
			})
		}
	}
}

// readCall reads, and wants the token that came with the answer to be there again.
func readCall(t *testing.T, to *connect.Client[text, text], stream bool, r *request, carried bool) string {
	if !stream {
		m, err := to.CallUnary(t.Context(), r)
		if err != nil {
			return err.Error()
		}
		if carried && m.Header().Get(session.Header) == "" {
			return "no token"
		}
		return m.Msg.GetValue()
	}
	in, err := to.CallServerStream(t.Context(), r)
	if err != nil {
		return err.Error()
	}
	defer in.Close()
	n, got := 0, ""
	for ; in.Receive(); n++ {
		got = in.Msg().GetValue()
	}
	switch {
	case in.Err() != nil:
		return in.Err().Error()
	case n != 2:
		return "not two messages"
	case carried && in.ResponseHeader().Get(session.Header) == "":
		return "no token"
	}
	return got
}

// TestFlushedAnswersHaveTheToken: what is sent early has it, and goes out at once.
func TestFlushedAnswersHaveTheToken(t *testing.T) {
	behind := mainstemtest.Open(t)
	goOn := make(chan struct{})
	p := newPod(t, behind.Backend(), session.Config{Keys: [][]byte{key('k')}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := session.Of(r.Context()).DB().Group("g").Do(r.Context(), "", func(tx *mainstem.Txn) error { tx.Set("n", 1); return nil })
		control := http.NewResponseController(w)
		if r.URL.Path == "/flusher" {
			w.(http.Flusher).Flush()
		} else if err == nil {
			err = control.Flush()
		}
		if err != nil {
			t.Error(err)
		}
		<-goOn
		_, _ = io.WriteString(w, "later")
	}))
	for _, path := range []string{"/controller", "/flusher"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url.String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		early, err := browser(t, false).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if early.Header.Get(session.Header) == "" {
			t.Errorf("%s: what was sent early has no token", path)
		}
		goOn <- struct{}{}
		var b bytes.Buffer
		if _, err := b.ReadFrom(early.Body); err != nil || b.String() != "later" {
			t.Errorf("%s: %q, %v", path, b.String(), err)
		}
		if err := early.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
