package anomaly

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var braced = regexp.MustCompile(`\{(\w+)\}`)

// TestRetoldIsTheHistory: each is told step for step, by as many as act in the history that is
// judged, with no word that it does not say it needs.
func TestRetoldIsTheHistory(t *testing.T) {
	if len(retoldTable()) < 18 {
		t.Errorf("%d histories are retold", len(retoldTable()))
	}
	for _, r := range retoldTable() {
		a, err := Lookup(r.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(r.Steps) != len(a.Trace.Steps) || r.Wrong == "" {
			t.Errorf("%s: %d steps of %d", r.Name, len(r.Steps), len(a.Trace.Steps))
		}
		who := a.Trace.Who()
		slices.Sort(who)
		if by := slices.Sorted(maps.Keys(r.By)); !slices.Equal(by, who) {
			t.Errorf("%s: acted by %v, told of %v", r.Name, who, by)
		}
		told := map[string]bool{}
		for _, name := range r.By {
			if told[name] {
				t.Errorf("%s: two are called %s", r.Name, name)
			}
			told[name] = true
		}
		all := strings.Join(slices.Concat(r.Steps, slices.Collect(maps.Values(r.By)), []string{r.Wrong}), " ")
		for _, m := range braced.FindAllStringSubmatch(all, -1) {
			if !slices.Contains(Cast, m[1]) || m[1] != "key" && !slices.Contains(r.Needs, m[1]) {
				t.Errorf("%s says {%s}, and does not need it", r.Name, m[1])
			}
		}
	}
}

func TestRetell(t *testing.T) {
	cast := map[string]string{"write": "reserve", "decide": "reserve", "key": "item", "read": "item page", "view": "index", "resource": "seat"}
	for _, r := range retoldTable() {
		told, err := Retell(r.Name, cast)
		if err != nil || !told.Own || strings.ContainsAny(told.Trace.Text()+told.Wrong, "{}") {
			t.Errorf("%s: %v, %+v", r.Name, err, told)
		}
		a, _ := Lookup(r.Name)
		if len(told.Trace.Who()) != len(a.Trace.Who()) {
			t.Errorf("%s is acted by %v, told of %v", r.Name, a.Trace.Who(), told.Trace.Who())
		}
	}
	told, err := Retell("lost_update", cast)
	want := `     reserve 1                  reserve 2
  1  reads one item
  2                             reads the same item, as it was
  3  writes what it made of it
  4  commit
  5                             writes what it made of the old one
  6                             commit
`
	if err != nil || told.Trace.Text() != want {
		t.Errorf("%v\n%s", err, told.Trace.Text())
	}
	for name, without := range map[string]string{"lock_after_pause": "resource", "double_spend": "decide", "lost_event": "view"} {
		less := maps.Clone(cast)
		delete(less, without)
		if told, err := Retell(name, less); err != nil || told.Own || len(told.Trace.Steps) == 0 {
			t.Errorf("%s without a %s: %v, %+v", name, without, err, told)
		}
	}
	if _, err := Retell("nothing_of_the_kind", cast); err == nil {
		t.Error("an anomaly that nobody knows is told")
	}
}
