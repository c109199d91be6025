package server

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// silent is a Backend whose feed has nothing to say.
type silent struct{ mainstem.Backend }

func (silent) Changes(ctx context.Context, _ mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		<-ctx.Done()
		yield(mainstem.Batch{}, mainstem.Errorf(mainstem.Cancelled, "%w", context.Cause(ctx)))
	}
}

// TestFeedIsBounded: as many feeds as Changes has, together with it, and an empty
// line where there is nothing new.
func TestFeedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(silent{})
		s.feeds.most = 1
		ctx, cancel := context.WithCancel(t.Context())
		first := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() {
			s.ServeHTTP(first, httptest.NewRequestWithContext(ctx, http.MethodGet, "/feed?follow=true", http.NoBody))
			close(ended)
		}()
		time.Sleep(2*Heartbeat + time.Second) // in a bubble
		second := httptest.NewRecorder()
		s.ServeHTTP(second, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/feed", http.NoBody))
		if second.Code != http.StatusTooManyRequests || !strings.Contains(second.Body.String(), "overloaded") {
			t.Errorf("beyond the limit: %d %s", second.Code, second.Body)
		}
		cancel()
		<-ended
		if text := first.Body.String(); first.Code != http.StatusOK || !strings.HasPrefix(text, "\n\n{\"error\":") {
			t.Errorf("two signs of life and the end are %d %q", first.Code, text)
		}
		if err := s.feeds.take(1); err != nil {
			t.Errorf("the place was not given back: %v", err)
		}
	})
}

// deaf is a client that is gone.
type deaf struct{ *httptest.ResponseRecorder }

var errGone = errors.New("the client is gone")

func (deaf) Write([]byte) (int, error) { return 0, errGone }

// TestFeedOfNobodyEnds: a sign of life that nobody takes ends the feed.
func TestFeedOfNobodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(silent{})
		began := time.Now()
		s.ServeHTTP(deaf{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/feed?follow=true", http.NoBody))
		if took := time.Since(began); took != Heartbeat {
			t.Errorf("it ended after %s", took)
		}
	})
}

// TestBatchesAsLines: one token per batch, in its last line, and a line of its own
// where nothing matched.
func TestBatchesAsLines(t *testing.T) {
	to := httptest.NewRecorder()
	out := &lines{to: to, control: http.NewResponseController(to)}
	for _, m := range []*pb.ChangesResponse{
		{Token: "t1", Changes: []*pb.Change{{Group: "a", Position: 1}, {Group: "b", Position: 2}}},
		{Heartbeat: true},
		{Token: "t2"},
	} {
		if err := out.batch(m); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"position":"1","group":"a"}` + "\n" + `{"position":"2","group":"b","token":"t1"}` + "\n\n" + `{"token":"t2"}` + "\n"
	if got := to.Body.String(); got != want {
		t.Errorf("the lines are\n%s\nand not\n%s", got, want)
	}
}

// FuzzFeedQuery: any query is a feed or an error of Mainstem's own.
func FuzzFeedQuery(f *testing.F) {
	for _, q := range []string{"", "after=&group=a&group=b&prefix=k&follow=true", "follow=1&x=%ff", "group=%00", "after=m1", "follower=f&group=a", "follower=a/b", "follower=&follow=false", "follower=f&after=m1"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		from, to, err := parseFeed(q)
		if err != nil && mainstem.CodeOf(err) == 0 {
			t.Errorf("%q: %v has no code", text, err)
		}
		if err == nil && (from.Match.Validate() != nil || to != nil && to.Validate() != nil) {
			t.Errorf("%q: it is not valid: %v %v", text, from, to)
		}
		if err == nil && (to != nil) != q.Has("follower") {
			t.Errorf("%q: whether it is a follower's is lost: %v", text, to)
		}
	})
}

// TestFeedRefusesWhatItCannotRead: a filter that is not well written is not left out.
func TestFeedRefusesWhatItCannotRead(t *testing.T) {
	s := New(silent{})
	for _, query := range []string{"prefix=100%", "group=a;prefix=b", "prefix=%zz"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/feed", http.NoBody)
		r.URL.RawQuery = query
		to := httptest.NewRecorder()
		s.ServeHTTP(to, r)
		if to.Code != http.StatusBadRequest || !strings.Contains(to.Body.String(), "invalid") {
			t.Errorf("%s: %d %s", query, to.Code, to.Body)
		}
	}
}
