package demo

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// what an observed call was.
type what uint8

const (
	looked  what = iota // the stock was read
	sold                // a purchase was made
	refused             // too little was left
)

// observed is one call as somebody outside saw it, on the clock of the run.
type observed struct {
	item     string
	what     what
	client   int
	from, to int64 // nanoseconds; of a repeated purchase, from the first attempt that may have committed
	quantity int64
	left     int64 // stock afterwards, or as read
}

// history is everything seen, by item.
func (m *market) history() map[string][]observed {
	byItem := map[string][]observed{}
	for _, o := range m.looks {
		byItem[o.item] = append(byItem[o.item], o)
	}
	for _, s := range m.shoppers {
		for _, o := range s.seen {
			byItem[o.item] = append(byItem[o.item], o)
		}
	}
	return byItem
}

// before is the stock that the call must have met: exactly for a sale and a
// look, at most for a refusal.
func (o observed) before() int64 {
	switch o.what {
	case sold:
		return o.left + o.quantity
	case refused:
		return o.quantity - 1
	default:
		return o.left
	}
}

// narrow uses that stock only falls: a call that met more of it took effect
// earlier, and looks at a stock before the sale from it. So a call cannot have
// begun to matter before those ahead of it did, nor still matter after those
// behind it ended. That changes no verdict and saves the checker from trying
// what cannot be: its time would grow exponentially with the looks in flight.
// It reports false where an interval is left empty: then there is no order.
func narrow(calls []observed) bool {
	slices.SortStableFunc(calls, func(a, b observed) int {
		return cmp.Or(cmp.Compare(b.before(), a.before()), cmp.Compare(rank(a), rank(b)))
	})
	latest, group := int64(math.MinInt64), int64(math.MinInt64)
	for i := range calls {
		if i > 0 && apart(calls[i-1], calls[i]) {
			latest = max(latest, group)
		}
		calls[i].from = max(calls[i].from, latest)
		if calls[i].what != refused { // a refusal forces nothing after it
			group = max(group, calls[i].from)
		}
	}
	earliest := int64(math.MaxInt64)
	group = math.MaxInt64
	for i := len(calls) - 1; i >= 0; i-- {
		if i+1 < len(calls) && apart(calls[i], calls[i+1]) {
			earliest = min(earliest, group)
		}
		group = min(group, calls[i].to)
		if calls[i].what != refused {
			calls[i].to = min(calls[i].to, earliest)
			group = min(group, calls[i].to)
		}
		if calls[i].from > calls[i].to {
			return false
		}
	}
	return true
}

// rank orders calls that met the same stock: refusals and looks, then the sale.
func rank(o observed) int {
	if o.what == sold {
		return 1
	}
	return 0
}

// apart says that b took effect after a, and not beside it.
func apart(a, b observed) bool { return a.before() != b.before() || rank(a) != rank(b) }

// events is the narrowed history as the checker wants it. At one time calls
// come before returns (closed intervals), and calls in the order of calls: the
// checker tries them in this order, and the first it tries is then right.
func events(calls []observed) []porcupine.Event {
	type edge struct {
		time  int64
		kind  porcupine.EventKind
		place int
	}
	edges := make([]edge, 0, 2*len(calls))
	for i, o := range calls {
		edges = append(edges, edge{o.from, porcupine.CallEvent, i}, edge{o.to, porcupine.ReturnEvent, i})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := cmp.Compare(a.time, b.time); c != 0 {
			return c
		}
		if a.kind != b.kind {
			if a.kind == porcupine.CallEvent {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.place, b.place)
	})
	all := make([]porcupine.Event, len(edges))
	for i, e := range edges {
		o := calls[e.place]
		all[i] = porcupine.Event{ClientId: o.client + 1, Kind: e.kind, Value: o, Id: e.place}
	}
	return all
}

// checkTime bounds the checking of one run.
const checkTime = 5 * time.Second

// linearizable checks each item's history on its own (Herlihy and Wing, 1990:
// a system is linearizable exactly if each of its objects is), and says yes,
// no, or unknown when time ran out.
func linearizable(byItem map[string][]observed, initial map[string]int64) string {
	deadline, verdict := time.Now().Add(checkTime), "yes"
	for _, item := range sortedKeys(byItem) {
		left := time.Until(deadline)
		if left <= 0 {
			return "unknown"
		}
		if !narrow(byItem[item]) {
			return "no"
		}
		switch porcupine.CheckEventsTimeout(stockModel(initial[item]), events(byItem[item]), left) {
		case porcupine.Illegal:
			return "no"
		case porcupine.Unknown:
			verdict = "unknown"
		case porcupine.Ok:
		}
	}
	return verdict
}

// stockModel is an item's stock as one thing that is never below 0.
func stockModel(initial int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, _ any) (bool, any) {
			stock, call := state.(int64), input.(observed) //nolint:forcetypeassert // the model's own
			switch call.what {
			case sold:
				after := stock - call.quantity
				return after >= 0 && after == call.left, after
			case refused:
				return stock < call.quantity, stock
			default:
				return stock == call.left, stock
			}
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	}
}
