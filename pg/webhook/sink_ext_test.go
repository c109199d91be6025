package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pg/webhook"
)

// TestEndToEnd: from Append to a receiver that fails, hangs up after it has taken
// an event, answers too late, goes, and comes back: nothing is lost, each stream is
// in order, and what comes twice comes under the same ID.
func TestEndToEnd(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		t.Run(fmt.Sprintf("parallel %d", parallel), func(t *testing.T) {
			o, d := outbox.Open(t), newDestination(t)
			d.meet(func(n int, _ webhook.Message, w http.ResponseWriter, r *http.Request) (took, answered bool) {
				switch {
				case n%7 == 0:
					w.WriteHeader(http.StatusBadGateway)
					return false, true
				case n%11 == 0: // it has gone, and nobody knows
					hangUp(w)
					return n%2 == 0, true
				case n%29 == 0: // it is taken, and the answer comes when nobody waits
					<-r.Context().Done()
				}
				return true, false
			})
			sink := d.sink(func(c *webhook.Config) { c.Parallel, c.Timeout = parallel, 200*time.Millisecond })
			o.Consume(pg.Consumer{Name: "hook", Deliver: sink.Deliver, Max: 50})
			streams := o.Fill(8, 10)
			outbox.Eventually(t, "some have come", func() bool { return d.count() > 20 })
			d.down()
			streams = append(streams, "late")
			for i := range 10 {
				o.Append("late", fmt.Sprint(i+1))
			}
			outbox.Eventually(t, "it is missed", func() bool { return o.Said.Count("connection refused") > 0 })
			d.up()
			o.Done("hook", 90)
			again := d.took.Judge(t, streams, 10)
			if parked := o.Parked("hook"); len(parked) > 0 || again == 0 {
				t.Errorf("%d events came again, parked are %q", again, parked)
			}
		})
	}
}

// TestAnswers: what each answer says, and what Retry-After does with it.
func TestAnswers(t *testing.T) {
	d := newDestination(t)
	event := batch(1)
	for status, want := range map[int]mainstem.Code{
		200: 0, 202: 0, 204: 0, 226: 0,
		301: mainstem.Unavailable, 302: mainstem.Unavailable, 304: mainstem.Unavailable, 307: mainstem.Unavailable, 308: mainstem.Unavailable,
		400: mainstem.Invalid, 409: mainstem.Invalid, 410: mainstem.Invalid, 415: mainstem.Invalid, 422: mainstem.Invalid, 451: mainstem.Invalid,
		401: mainstem.Unavailable, 403: mainstem.Unavailable, 404: mainstem.Unavailable, 405: mainstem.Unavailable, 407: mainstem.Unavailable,
		408: mainstem.Unavailable, 413: mainstem.TooLarge, 425: mainstem.Unavailable, 429: mainstem.Overloaded,
		500: mainstem.Unavailable, 501: mainstem.Unavailable, 503: mainstem.Unavailable, 599: mainstem.Unavailable,
	} {
		before := d.count()
		d.meet(func(_ int, _ webhook.Message, w http.ResponseWriter, _ *http.Request) (took, answered bool) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = w.Write([]byte("because\xff " + strings.Repeat("x", 100<<10)))
			}
			return false, true
		})
		err := d.sink(nil).Deliver(t.Context(), event)
		if mainstem.CodeOf(err) != want || (err == nil) != (want == 0) || d.count() != before+1 {
			t.Errorf("after %d: %.200v, %d requests", status, err, d.count()-before)
		}
		if err != nil && len(err.Error()) > 700 {
			t.Errorf("after %d the error has %d bytes", status, len(err.Error()))
		}
	}
}

// TestTaken: a batch of which the middle fails goes on from there, so that a
// receiver which takes a few at a time gets all; and not before it likes to.
func TestTaken(t *testing.T) {
	d := newDestination(t)
	d.meet(func(n int, _ webhook.Message, w http.ResponseWriter, _ *http.Request) (took, answered bool) {
		if n%4 > 0 {
			return true, false
		}
		if n == 8 {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return false, true
	})
	sink, began := d.sink(nil), time.Now()
	err := sink.Deliver(t.Context(), batch(10))
	if took := len(d.took.List()); err != nil || took != 10 || d.count() != 13 || time.Since(began) < time.Second {
		t.Errorf("%d events came in %d requests and %s: %v", took, d.count(), time.Since(began), err)
	}
	// Across calls as well: the relay repeats a batch of which nothing more is taken.
	d.meet(func(n int, _ webhook.Message, w http.ResponseWriter, _ *http.Request) (took, answered bool) {
		if n == 13+3 || n == 13+4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return false, true
		}
		return true, false
	})
	if err := sink.Deliver(t.Context(), batch(4)); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Error(err)
	}
	if err := sink.Deliver(t.Context(), batch(4)); err != nil || d.count() != 13+6 {
		t.Errorf("four events came in %d requests: %v", d.count()-13, err)
	}
	// Who waits for the receiver is not held up by it.
	d.meet(func(_ int, _ webhook.Message, w http.ResponseWriter, _ *http.Request) (took, answered bool) {
		w.Header().Set("Retry-After", "1000")
		w.WriteHeader(http.StatusServiceUnavailable)
		return false, true
	})
	ctx, cancel := context.WithCancel(t.Context())
	sink = d.sink(nil)
	if err := sink.Deliver(ctx, batch(1)); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Error(err)
	}
	ended := make(chan error)
	go func() { ended <- sink.Deliver(ctx, batch(1)) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestRefused: an event that is refused is parked with its stream, others go on,
// and Retry goes on in the stream's order.
func TestRefused(t *testing.T) {
	o, d := outbox.Open(t), newDestination(t)
	refuse := func(_ int, m webhook.Message, w http.ResponseWriter, _ *http.Request) (took, answered bool) {
		if m.Event.Stream == "order/1" && string(m.Event.Data) == "2" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return false, true
		}
		return true, false
	}
	d.meet(refuse)
	sink := d.sink(func(c *webhook.Config) { c.Parallel = 3 })
	o.Consume(pg.Consumer{Name: "hook", Deliver: sink.Deliver, Attempts: 2})
	streams := o.Fill(3, 4)
	o.Done("hook", 12)
	if parked, want := o.Parked("hook"), []string{"order/1 2", "order/1 3", "order/1 4"}; !slices.Equal(parked, want) {
		t.Errorf("parked are %q, want %q", parked, want)
	}
	d.meet(nil)
	if _, err := o.DB.Retry(t.Context(), "hook", "order/1"); err != nil {
		t.Fatal(err)
	}
	outbox.Eventually(t, "nothing is parked", func() bool { return len(o.Parked("hook")) == 0 })
	if again := d.took.Judge(t, streams, 4); again > 0 {
		t.Errorf("%d events came again", again)
	}
}

// TestConfig: what cannot work is refused before anything is sent.
func TestConfig(t *testing.T) {
	d := newDestination(t)
	good := webhook.Config{URL: "https://example.com", Source: "shop", Secrets: []string{d.secret}, Parallel: webhook.LimitParallel}
	if _, err := webhook.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*webhook.Config){
		"no URL":             func(c *webhook.Config) { c.URL = "" },
		"another scheme":     func(c *webhook.Config) { c.URL = "file:///etc/passwd" },
		"no host":            func(c *webhook.Config) { c.URL = "https:///x" },
		"no source":          func(c *webhook.Config) { c.Source = "" },
		"a full stop in it":  func(c *webhook.Config) { c.Source = "a.b" },
		"no secret":          func(c *webhook.Config) { c.Secrets = nil },
		"too many requests":  func(c *webhook.Config) { c.Parallel++ },
		"a negative timeout": func(c *webhook.Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := webhook.New(c); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReceiver: a receiver as the example has it books each event once, whatever
// comes again.
func TestReceiver(t *testing.T) {
	o, d := outbox.Open(t), newDestination(t)
	if _, err := o.DB.Pool.Exec(t.Context(), "CREATE TABLE booking (data text)"); err != nil {
		t.Fatal(err)
	}
	receiver, err := webhook.NewReceiver(d.secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(hook(o.DB, receiver))
	t.Cleanup(server.Close)
	for range 3 {
		sink := d.sink(func(c *webhook.Config) { c.URL = server.URL })
		if err := sink.Deliver(t.Context(), batch(4)); err != nil {
			t.Fatal(err)
		}
	}
	stranger := d.sink(func(c *webhook.Config) { c.URL, c.Secrets = server.URL, []string{webhook.NewSecret()} })
	if err := stranger.Deliver(t.Context(), batch(5)); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Error(err)
	}
	var n int
	if err := o.DB.Pool.QueryRow(t.Context(), "SELECT count(*) FROM booking").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d bookings of 4 events: %v", n, err)
	}
}
