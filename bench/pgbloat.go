package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/pg"
)

// Growth is the bytes of a schema over time.
type Growth struct {
	// EverySeconds is the time between two samples; Tables and Indexes are bytes.
	EverySeconds float64 `json:"every_seconds"`
	Tables       []int64 `json:"table_bytes"`
	Indexes      []int64 `json:"index_bytes"`
	// TurnSeconds is how long one table of the ring takes what comes, and
	// KeySeconds how long keys are kept. The sizes rise and fall with both, so the
	// verdict goes by the highest of each turn, from the second turn on.
	TurnSeconds float64 `json:"turn_seconds"`
	KeySeconds  float64 `json:"key_seconds"`
	// Slope is how much that highest grows per turn, in percent of its mean; null
	// means that the run was too short to tell. Flat says that it is below
	// flatBelow.
	Slope *float64 `json:"slope_percent_per_turn"`
	Flat  *bool    `json:"flat"`
}

// flatBelow is the growth per turn, in percent, up to which sizes count as flat.
const flatBelow = 5

// String is what a table says of it.
func (g *Growth) String() string {
	last := len(g.Tables) - 1
	if last < 0 {
		return "no sample"
	}
	verdict := "too short to tell whether it is flat"
	if g.Flat != nil {
		verdict = map[bool]string{true: "flat", false: "NOT flat"}[*g.Flat] + fmt.Sprintf(": %+.1f %% per turn of %g s", *g.Slope, g.TurnSeconds)
	}
	return fmt.Sprintf("tables %d MiB and indexes %d MiB at most, %d and %d at the end; %s",
		slices.Max(g.Tables)>>20, slices.Max(g.Indexes)>>20, g.Tables[last]>>20, g.Indexes[last]>>20, verdict)
}

// judge fits a line to the highest size within the turn that ends at each sample.
func (g *Growth) judge() {
	turn := int(g.TurnSeconds / g.EverySeconds)
	var highest []float64
	for i := 2 * turn; turn > 0 && i < len(g.Tables); i++ {
		most := 0.0
		for k := i - turn + 1; k <= i; k++ {
			most = max(most, float64(g.Tables[k]+g.Indexes[k]))
		}
		highest = append(highest, most)
	}
	if len(highest) < turn || turn == 0 {
		return
	}
	n, x, y, xx, xy := float64(len(highest)), 0.0, 0.0, 0.0, 0.0
	for i, h := range highest {
		at := float64(i) / float64(turn)
		x, y, xx, xy = x+at, y+h, xx+at*at, xy+at*h
	}
	if n*xx == x*x {
		return
	}
	slope := hundredths100(100 * (n*xy - x*y) / (n*xx - x*x) / (y / n))
	flat := slope < flatBelow
	g.Slope, g.Flat = &slope, &flat
}

// hundredths100 rounds a number of either sign to hundredths.
func hundredths100(f float64) float64 {
	if f < 0 {
		return -hundredths(-f)
	}
	return hundredths(f)
}

// The package's own times, as far as its documentation promises them: a table of
// the ring takes what comes for a quarter of an hour, and keys of the least age
// are kept ten minutes longer. Four turns are an hour; a shorter run has both
// shortened alike.
const (
	ownTurn = 15 * time.Minute
	ownKeys = pg.MinAge + 10*time.Minute
	turns   = 4
)

// bloat is requests at a steady rate beside a relay and a consumer, while the
// sizes are noted.
func bloat(ctx context.Context, job *Job) (figures []Figure, err error) {
	e, err := openEvents(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	scale := min(1, float64(job.For)/float64(turns*ownTurn))
	turn, keys := time.Duration(scale*float64(ownTurn)), time.Duration(scale*float64(ownKeys))
	if scale < 1 {
		if err := e.Hasten(ctx, turn); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken atomic.Int64
	w := runRelay(ctx, e.Relay(true, 0), pg.Consumer{Name: "c", Deliver: func(_ context.Context, events []pg.Event) error {
		taken.Add(int64(len(events)))
		return nil
	}}, cancel)
	g := &Growth{EverySeconds: job.Slice.Seconds(), TurnSeconds: turn.Seconds(), KeySeconds: keys.Seconds()}
	watching, stop := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() {
		if err := watch(watching, e, job.Slice, keys, g); err != nil && watching.Err() == nil {
			cancel(err)
		}
	})
	f, err := measured(e, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Open{Rate: job.Rate, For: job.For, Clients: job.Clients, Seed: 1, Opened: opened, Shut: shut}.Run(ctx,
			func(ctx context.Context, _ int) error { return e.Request(ctx, pg.MinAge) })
	})
	stop()
	watchers.Wait()
	g.judge()
	f.Growth, f.OfferedPerS = g, job.Rate
	f.Settings["ring"], f.Settings["keys_kept"] = fmt.Sprintf("a table per %s", turn), keys.String()
	f.Note = fmt.Sprintf("%s events taken", thousands(float64(taken.Load())))
	return []Figure{f}, errors.Join(err, w.stop())
}

// watch notes the sizes, and prunes what it is the service's to prune: old keys
// sooner than the relay does, where time is shortened, and payments.
func watch(ctx context.Context, e *peer.Events, every, keys time.Duration, g *Growth) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		tables, indexes, err := e.Sizes(ctx)
		if err != nil {
			return err
		}
		g.Tables, g.Indexes = append(g.Tables, tables), append(g.Indexes, indexes)
		if keys < ownKeys {
			if err := e.Expire(ctx, keys); err != nil {
				return err
			}
		}
		if n%10 == 9 {
			if err := e.Prune(ctx); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
