// Package audit judges a run from outside. It reads the tables of the surviving
// primary with plain SQL, the provider's book and what customers were told, and
// shares no code with what it judges.
package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Figures are what an audit found. Each must be zero.
type Figures struct {
	// DoubleCharges are orders that the provider charged more than once.
	DoubleCharges int `json:"double_charges"`
	// LostEvents are acknowledged payments of which something never came: the
	// payment itself, its charge, a posting of it, or its settlement.
	LostEvents int `json:"lost_events"`
	// DuplicateEffects are rows beyond the first one of what an order has once.
	DuplicateEffects int `json:"duplicate_effects"`
	// StaleOwnReads are customers who were told that there is no such payment,
	// after they had been told that there is.
	StaleOwnReads int `json:"stale_own_reads"`
}

// Harm is the sum of all.
func (f Figures) Harm() int {
	return f.DoubleCharges + f.LostEvents + f.DuplicateEffects + f.StaleOwnReads
}

// Witness is what others than the database know.
type Witness struct {
	Acknowledged []string       // orders
	Charges      map[string]int // how often the provider charged an order
	Stale        int
}

// rows is what the database has of one order, counted by kind.
type rows map[string]int

// kinds are what an order has once.
var kinds = []string{"payment", "posting of the charge", "posting of the fee", "settlement"}

const counts = `
	SELECT order_id, 'payment', count(*) FROM payment GROUP BY order_id
	UNION ALL SELECT order_id, 'posting of the ' || kind, count(*) FROM posting GROUP BY order_id, kind
	UNION ALL SELECT order_id, 'settlement', count(*) FROM settlement GROUP BY order_id`

// Look reads the database and compares. Details are the first few findings, in words.
func Look(ctx context.Context, conn *pgx.Conn, w Witness) (f Figures, details []string, err error) {
	database := map[string]rows{}
	result, err := conn.Query(ctx, counts)
	if err != nil {
		return f, nil, fmt.Errorf("the audit cannot read: %w", err)
	}
	var order, kind string
	var n int
	_, err = pgx.ForEachRow(result, []any{&order, &kind, &n}, func() error {
		if database[order] == nil {
			database[order] = rows{}
		}
		database[order][kind] = n
		return nil
	})
	if err != nil {
		return f, nil, fmt.Errorf("the audit cannot read: %w", err)
	}
	f, details = compare(w, database)
	return f, details, nil
}

func compare(w Witness, database map[string]rows) (f Figures, details []string) {
	say := func(format string, args ...any) {
		const most = 5
		if len(details) < most {
			details = append(details, fmt.Sprintf(format, args...))
		}
	}
	f.StaleOwnReads = w.Stale
	for _, order := range sorted(w.Charges) {
		if n := w.Charges[order]; n > 1 {
			f.DoubleCharges++
			say("order %s was charged %d times", order, n)
		}
	}
	for _, order := range w.Acknowledged {
		var missing []string
		if w.Charges[order] == 0 {
			missing = append(missing, "charge")
		}
		for _, kind := range kinds {
			if database[order][kind] == 0 {
				missing = append(missing, kind)
			}
		}
		if len(missing) > 0 {
			f.LostEvents++
			say("order %s was acknowledged and has no %s", order, missing[0])
		}
	}
	for _, order := range sorted(database) {
		for _, kind := range sorted(database[order]) {
			if n := database[order][kind]; n > 1 {
				f.DuplicateEffects += n - 1
				say("order %s has %d times: %s", order, n, kind)
			}
		}
	}
	return f, details
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
