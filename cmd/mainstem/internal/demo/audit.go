package demo

import (
	"fmt"
	"slices"
)

// held is what the database holds of one item.
type held struct {
	Stock  int64
	Orders map[string]int64 // quantity by purchase ID
	Events map[string]int   // how often each purchase's event stands in the stream
}

// findings are the promises that an audit found broken.
type findings struct {
	Lost       int // acknowledged purchases of which something is missing
	Duplicated int // purchases, or parts of them, that are there more often than acknowledged
	Oversold   int64
	details    []string // the first few, in words
}

func (f *findings) sayf(format string, args ...any) {
	const most = 10
	if len(f.details) < most {
		f.details = append(f.details, fmt.Sprintf(format, args...))
	}
}

// compare holds the database against the record of answers. Every purchase was
// answered, so what is there must be exactly what was acknowledged: order once,
// event once, and the stock less by the sum.
func compare(entries []entry, initial map[string]int64, database map[string]held) findings {
	var f findings
	acknowledged := map[string]map[string]int64{} // item -> ID -> quantity
	for item := range initial {
		acknowledged[item] = map[string]int64{}
	}
	for _, e := range entries {
		if e.SoldOut {
			continue
		}
		if acknowledged[e.Item] == nil {
			acknowledged[e.Item] = map[string]int64{}
		}
		if _, twice := acknowledged[e.Item][e.ID]; twice {
			f.Duplicated++
			f.sayf("%s was acknowledged twice", e.ID)
		}
		acknowledged[e.Item][e.ID] = e.Quantity
	}
	for _, item := range sortedKeys(acknowledged) {
		f.item(item, acknowledged[item], initial[item], database[item])
	}
	for _, item := range sortedKeys(database) {
		if acknowledged[item] == nil {
			f.Duplicated += len(database[item].Orders)
			f.sayf("item %q is in the database and in no purchase", item)
		}
	}
	return f
}

func (f *findings) item(item string, acknowledged map[string]int64, initial int64, h held) {
	for _, id := range sortedKeys(acknowledged) {
		quantity, ordered := h.Orders[id]
		if !ordered || h.Events[id] == 0 || quantity != acknowledged[id] {
			f.Lost++
			f.sayf("%s of %q was acknowledged for %d; the database has an order: %t, for %d, and %d events",
				id, item, acknowledged[id], ordered, quantity, h.Events[id])
		}
	}
	var sum int64
	for _, id := range sortedKeys(h.Orders) {
		sum += h.Orders[id]
		if _, ok := acknowledged[id]; !ok {
			f.Duplicated++
			f.sayf("%s of %q is in the database and was never acknowledged", id, item)
		}
	}
	for _, id := range sortedKeys(h.Events) {
		_, ok := acknowledged[id]
		if extra := h.Events[id] - 1; extra > 0 || !ok && h.Orders[id] == 0 {
			f.Duplicated += max(extra, 1)
			f.sayf("%s of %q has %d events", id, item, h.Events[id])
		}
	}
	f.stock(item, initial, sum, h.Stock)
}

// stock checks what is left of an item against what was sold.
func (f *findings) stock(item string, initial, sold, left int64) {
	if sold > initial {
		f.Oversold += sold - initial
		f.sayf("%d of %q were sold, %d were there", sold, item, initial)
	}
	switch want := initial - sold; {
	case left > want:
		f.Lost++
		f.sayf("%d of %q are left, %d should be: something taken was put back", left, item, want)
	case left < want:
		f.Duplicated++
		f.sayf("%d of %q are left, %d should be: something was taken twice", left, item, want)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
