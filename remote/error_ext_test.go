package remote_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// failing is a Backend that fails in one way everywhere.
type failing struct{ err *mainstem.Error }

func (f failing) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	return nil, f.err
}

func (f failing) View(_ context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if r.Group == "opens" {
		return frozen{f.err}, nil
	}
	return nil, f.err
}

func (f failing) Changes(context.Context, mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		_ = yield(mainstem.Batch{}, f.err) // it ends either way
	}
}

func (failing) Close() error { return nil }

// frozen is a view that opens, and answers no question.
type frozen struct{ err *mainstem.Error }

func (v frozen) Read(context.Context, mainstem.Query) (mainstem.Answer, error) {
	return mainstem.Answer{}, v.err
}
func (frozen) Known() *mainstem.Receipt { return nil }
func (frozen) Stamp() mainstem.Stamp    { return mainstem.Stamp{} }
func (frozen) Close() error             { return nil }

// TestErrorsSurviveTheWire: every code, with message, condition and advice, comes out of
// every call as it went in. Nothing but what a server said of itself is repeated
// on the way, so that what it says is heard.
func TestErrorsSurviveTheWire(t *testing.T) {
	for _, code := range mainstem.Codes() {
		sent := &mainstem.Error{Code: code, Message: "what happened, where", Condition: 2, Advice: "what to do"}
		db := dial(t, mainstemtest.Serve(t, failing{sent}))
		ctx := within(t, 20*time.Second)
		_, commit := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "i"}})
		_, opening := db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		var feed error
		for _, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
			feed = err
		}
		view, err := db.Backend().View(ctx, mainstem.ViewRequest{Group: "opens", At: mainstem.Latest()})
		if err != nil {
			t.Fatal(err)
		}
		_, reading := view.Read(ctx, mainstem.Query{Kind: mainstem.QueryGet, Group: "opens", Name: "k"})
		_, again := view.Read(ctx, mainstem.Query{Kind: mainstem.QueryGet, Group: "opens", Name: "k"})
		if err := view.Close(); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{"commit": commit, "view": opening, "feed": feed, "read": reading, "read again": again} {
			var got *mainstem.Error
			if !errors.As(err, &got) || got.Code != sent.Code || got.Message != sent.Message || got.Condition != sent.Condition || got.Advice != sent.Advice {
				t.Errorf("%s: %v arrives as %v", what, sent, err)
			}
		}
	}
}
