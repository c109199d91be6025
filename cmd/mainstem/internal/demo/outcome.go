package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// outcome is what one run brought.
type outcome struct {
	plan          plan
	findings      findings
	bought        int
	refused       int
	itemsSoldOut  int
	kills         int
	resent        int
	replayedInRun int
	replayedAfter int
	linearizable  string
	took          time.Duration
	answered      []time.Duration // sorted
	unavailable   []time.Duration // sorted
	recovery      []time.Duration // sorted
	broke         *breakage       // what ended the run, or made the audit impossible; nil for nothing
}

// resend is how many acknowledged purchases the audit sends once more.
const resend = 1000

// audit looks at what a run left behind. ended is how the run ended: nil, or a
// breakage, which is a finding like any other.
func (w *world) audit(ctx context.Context, m *market, rng *rand.Rand, ended error) (*outcome, error) {
	entries, err := m.ledger.read()
	if err != nil {
		return nil, err
	}
	o := m.outcome(entries)
	if ended == nil {
		ended = w.examine(ctx, m, entries, rng, o)
	}
	if broke, ok := errors.AsType[*breakage](ended); ok {
		o.unreadable(broke)
		return o, nil
	}
	return o, ended
}

// unreadable says that nothing acknowledged can be read: it counts as lost.
func (o *outcome) unreadable(broke *breakage) {
	o.broke, o.linearizable = broke, "unknown"
	o.findings.Lost = o.bought
	o.findings.details = []string{broke.Error(), fmt.Sprintf("none of the %d acknowledged purchases could be looked for", o.bought)}
}

// examine asks again, ends the database cleanly, reads the database itself, and
// compares it with the record of answers.
func (w *world) examine(ctx context.Context, m *market, entries []entry, rng *rand.Rand, o *outcome) error {
	if m.plan.mode != byReading {
		m.ask(ctx, entries, rng, o)
	}
	db, err := m.place.read(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause // interrupted, or a process ended by itself
	}
	if err != nil {
		return &breakage{err}
	}
	defer func() { _ = db.Close() }() // only read
	database, err := readAll(ctx, db, sortedKeys(m.stock))
	if err != nil {
		return &breakage{fmt.Errorf("reading the database for the audit: %w", err)}
	}
	found := compare(entries, m.stock, database)
	o.findings.Lost += found.Lost
	o.findings.Duplicated += found.Duplicated
	o.findings.Oversold += found.Oversold
	o.findings.details = append(o.findings.details, found.details...)
	for item := range m.stock {
		if database[item].Stock == 0 {
			o.itemsSoldOut++
		}
	}
	o.linearizable = linearizable(m.history(), m.stock)
	return nil
}

// outcome adds up what the shoppers noted.
func (m *market) outcome(entries []entry) *outcome {
	o := &outcome{
		plan: m.plan, kills: int(m.kills.Load()), resent: int(m.resent.Load()), took: m.took, recovery: m.recovery,
	}
	for _, e := range entries {
		if e.SoldOut {
			o.refused++
		} else {
			o.bought++
		}
	}
	for _, s := range m.shoppers {
		o.answered = append(o.answered, s.answered...)
		o.unavailable = append(o.unavailable, s.unavailable...)
		o.replayedInRun += s.replayed
	}
	slices.Sort(o.answered)
	slices.Sort(o.unavailable)
	slices.Sort(o.recovery)
	return o
}

// ask sends a sample of the acknowledged purchases once more. Each must be
// answered with its first receipt: same position, same stock left.
func (m *market) ask(ctx context.Context, entries []entry, rng *rand.Rand, o *outcome) {
	line := m.place.line()
	defer line.close()
	bought := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.SoldOut })
	rng.Shuffle(len(bought), func(i, j int) { bought[i], bought[j] = bought[j], bought[i] })
	kind := callBuy
	if m.plan.mode == byCompare {
		kind = callCompare
	}
	for _, e := range bought[:min(resend, len(bought))] {
		a := line.do(ctx, call{Kind: kind, Item: e.Item, ID: e.ID, Quantity: e.Quantity})
		switch {
		case a.Code == 0 && a.Replayed && a.Position == e.Position && a.Left == e.Left:
			o.replayedAfter++
		default:
			o.findings.Lost++
			o.findings.sayf("%s was acknowledged at position %d with %d left; asked again: %+v", e.ID, e.Position, e.Left, a)
		}
	}
}

// readAll reads the items' groups from one frozen view.
func readAll(ctx context.Context, db *embedded.DB, items []string) (map[string]held, error) {
	cut, err := db.Cut(ctx, mainstem.Latest())
	if err != nil {
		return nil, err
	}
	defer func() { _ = cut.Close() }() // only read
	database := map[string]held{}
	for group, err := range cut.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		if database[group], err = readItem(ctx, cut.Group(group)); err != nil {
			return nil, err
		}
	}
	for _, item := range items {
		if _, ok := database[item]; !ok {
			database[item] = held{Stock: -1} // not even its stock is there
		}
	}
	return database, nil
}

func readItem(ctx context.Context, view *mainstem.View) (held, error) {
	h := held{Orders: map[string]int64{}, Events: map[string]int{}}
	stock, err := view.Get(ctx, stockKey)
	if err != nil {
		return h, err
	}
	h.Stock = stock.Value.Int
	from, to := mainstem.Prefix(orderPrefix)
	for v, err := range view.Scan(ctx, from, to) {
		if err != nil {
			return h, err
		}
		quantity, err := strconv.ParseInt(v.Value.String(), 10, 64)
		if err != nil {
			return h, err
		}
		h.Orders[strings.TrimPrefix(v.Name, orderPrefix)] = quantity
	}
	for event, err := range view.Events(ctx, ordersStream, 0) {
		if err != nil {
			return h, err
		}
		h.Events[string(event.Data)]++
	}
	return h, nil
}
