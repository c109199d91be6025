package advise

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Isolation is what the isolation level of a store in place is in truth: one name promises
// different things on different products.
type Isolation struct {
	Store  string            `json:"store"`
	Engine string            `json:"engine"`
	Said   string            `json:"said"`             // as the product calls it
	Judged string            `json:"judged,omitempty"` // as it was judged, where that is another level than was said
	How    string            `json:"how"`
	Admits []string          `json:"admits,omitempty"`
	Partly map[string]string `json:"partly,omitempty"` // anomaly to when
	Sure   anomaly.Sure      `json:"sure"`
	Source []string          `json:"source"`
}

// inTruth is the level of a description that a consistency model amounts to, for the
// models that are levels of transactions.
var inTruth = map[string]string{
	"read_uncommitted": "read_uncommitted", "read_committed": "read_committed", "repeatable_read": "repeatable_read",
	"snapshot_isolation": "snapshot", "serializable": "serializable", "linearizable": "serializable",
}

// level looks the level of one store up. Of a product that is not known, or has no
// such level, there is none.
func level(engine, said string) (anomaly.Level, bool) {
	levels, err := anomaly.Levels(engine)
	if err != nil {
		return anomaly.Level{}, false
	}
	i := slices.IndexFunc(levels, func(l anomaly.Level) bool { return l.Name == said })
	if i < 0 {
		return anomaly.Level{}, false
	}
	return levels[i], true
}

// inPlace is the workload with each store's level as what it is in truth, and what was
// found out about them.
func inPlace(w *workload.Workload) (judged *workload.Workload, found []Isolation) {
	judged = w.Clone()
	stores, _ := w.Count("architecture.stores")
	for i := range stores {
		at := fmt.Sprintf("architecture.stores[%d].", i)
		engine, said := w.Get(at+"engine").Text, w.Get(at+"isolation").Text
		l, ok := level(engine, said)
		if !ok {
			continue
		}
		one := Isolation{
			Store: w.Get(at + "name").Text, Engine: titleOf(engine), Said: l.Title, How: l.How,
			Admits: slices.Clone(l.Admits), Partly: maps.Clone(l.Partly), Sure: l.Sure, Source: l.Source,
		}
		if truth, known := inTruth[l.Model]; known && truth != said {
			if err := judged.Set(at+"isolation", truth); err == nil { // it is one of the choices
				one.Judged = truth
			}
		}
		found = append(found, one)
	}
	return judged, found
}

func titleOf(engine string) string {
	for _, e := range anomaly.Engines() {
		if e.Name == engine {
			return e.Title
		}
	}
	return engine
}
