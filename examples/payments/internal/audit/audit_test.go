package audit

import "testing"

// TestCompare plants each kind of harm, and expects it to be found and counted.
func TestCompare(t *testing.T) {
	whole := func() map[string]rows {
		all := map[string]rows{}
		for _, order := range []string{"a", "b", "c"} {
			all[order] = rows{}
			for _, kind := range kinds {
				all[order][kind] = 1
			}
		}
		return all
	}
	for _, test := range []struct {
		name  string
		plant func(w *Witness, database map[string]rows)
		want  Figures
	}{
		{"nothing", func(*Witness, map[string]rows) {}, Figures{}},
		{"charged three times", func(w *Witness, _ map[string]rows) { w.Charges["a"] = 3 }, Figures{DoubleCharges: 1}},
		{"charged twice, never acknowledged", func(w *Witness, _ map[string]rows) { w.Charges["d"] = 2 }, Figures{DoubleCharges: 1}},
		{"never charged", func(w *Witness, _ map[string]rows) { delete(w.Charges, "b") }, Figures{LostEvents: 1}},
		{"nothing of it is there", func(w *Witness, database map[string]rows) { delete(w.Charges, "b"); delete(database, "b") }, Figures{LostEvents: 1}},
		{"one posting lost", func(_ *Witness, database map[string]rows) { delete(database["c"], kinds[2]) }, Figures{LostEvents: 1}},
		{"lost, never acknowledged", func(_ *Witness, database map[string]rows) { database["d"] = rows{"payment": 1} }, Figures{}},
		{"settled three times", func(_ *Witness, database map[string]rows) { database["a"]["settlement"] = 3 }, Figures{DuplicateEffects: 2}},
		{"stale", func(w *Witness, _ map[string]rows) { w.Stale = 4 }, Figures{StaleOwnReads: 4}},
	} {
		w := Witness{Acknowledged: []string{"a", "b", "c"}, Charges: map[string]int{"a": 1, "b": 1, "c": 1}}
		database := whole()
		test.plant(&w, database)
		got, details := compare(w, database)
		if got != test.want || len(details) > 0 != (got.Harm() > got.StaleOwnReads) {
			t.Errorf("%s: %+v, %q; want %+v", test.name, got, details, test.want)
		}
	}
}
