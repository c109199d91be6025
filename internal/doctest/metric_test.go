package doctest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/observe"
	"github.com/mainstemdb/mainstem/observe/serving"
	"github.com/mainstemdb/mainstem/pg"
)

// metric is a metric as its collector describes it.
type metric struct{ kind, labels, help string }

var descText = regexp.MustCompile(`fqName: "([^"]+)", help: ("(?:[^"\\]|\\.)*"), .*constLabels: \{\}, variableLabels: \{([^}]*)\}`)

// metrics are all that packages pg and observe describe, by name.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	histograms := observedHistograms(t)
	describe := func(c prometheus.Collector, kind func(name string) string) {
		to := make(chan *prometheus.Desc)
		go func() { defer close(to); c.Describe(to) }()
		for d := range to {
			m := descText.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("this test cannot read %s", d)
			}
			var help string
			if err := json.Unmarshal([]byte(m[2]), &help); err != nil {
				t.Fatal(err)
			}
			all[m[1]] = metric{kind(m[1]), strings.ReplaceAll(m[3], ",", ", "), help}
		}
	}
	describe(pg.NewMetrics(), func(name string) string {
		if strings.HasSuffix(name, "_total") {
			return "counter"
		}
		return "histogram"
	})
	describe(&pg.Gauges{}, func(string) string { return "gauge" })
	observed := func(name string) string {
		switch {
		case strings.HasSuffix(name, "_total"):
			return "counter"
		case histograms[name]:
			return "histogram"
		}
		return "gauge"
	}
	describe(observe.New(), observed)
	describe(&observe.Gauges{}, observed)
	describe(&serving.Metrics{}, observed)
	if len(all) < 90 {
		t.Fatalf("%d metrics: this test cannot see them any more", len(all))
	}
	return all
}

// observedHistograms are those of a database that has done something: a metric
// that is described does not say what kind it is of.
func observedHistograms(t *testing.T) map[string]bool {
	t.Helper()
	watch := observe.New()
	db := mainstemtest.Open(t, embedded.Through(watch.Backend))
	if _, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(watch, &observe.Gauges{DB: db})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()[0].GetHistogram() != nil
	}
	return all
}

var metricRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\| ([^|]+) \\|$")

// TestEveryMetricIsExplained: the reference says of each metric what the metric
// says of itself.
func TestEveryMetricIsExplained(t *testing.T) {
	for _, problem := range unexplainedMetrics(page(t, "docs/reference/metrics.md"), metrics(t)) {
		t.Error(problem)
	}
}

func unexplainedMetrics(reference string, all map[string]metric) (problems []string) {
	listed := map[string]bool{}
	for _, row := range metricRow.FindAllStringSubmatch(reference, -1) {
		name, said := row[1], metric{row[2], strings.ReplaceAll(strings.TrimSpace(row[3]), "`", ""), row[4]}
		listed[name] = true
		if real, known := all[name]; !known {
			problems = append(problems, name+" is in docs/reference/metrics.md, and nothing measures it")
		} else if said != real {
			problems = append(problems, fmt.Sprintf("%s is %+v, and the page says %+v", name, real, said))
		}
	}
	for name, real := range all {
		if !listed[name] {
			problems = append(problems, fmt.Sprintf("docs/reference/metrics.md has no row | `%s` | %s | %s | %s |", name, real.kind, real.labels, real.help))
		}
	}
	return problems
}

func TestEveryMetricIsExplainedGoesRed(t *testing.T) {
	all := map[string]metric{"a_total": {"counter", "", "As."}, "b": {"gauge", "x, y", "Bs."}, "c": {"gauge", "", "Cs."}}
	problems := strings.Join(unexplainedMetrics("| `a_total` | gauge | | As. |\n| `b` | gauge | `x`, `y` | Bs. |\n| `d` | gauge |  | Ds. |\n", all), "\n")
	for _, want := range []string{"a_total is {kind:counter", "d is in docs", "no row | `c`"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "b is") || strings.Contains(problems, "`b`") {
		t.Errorf("a right row was found wrong:\n%s", problems)
	}
}

var metricName = regexp.MustCompile(`\bmainstem_[a-z_]+\b`)

// unknownMetrics are the names in a text that nothing measures.
func unknownMetrics(name, text string, all map[string]metric) (problems []string) {
	for _, m := range metricName.FindAllString(text, -1) {
		base := m
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if whole, ok := strings.CutSuffix(m, suffix); ok && all[whole].kind == "histogram" {
				base = whole
			}
		}
		if _, known := all[base]; !known {
			problems = append(problems, fmt.Sprintf("%s names the metric %s, which is not there", name, m))
		}
	}
	return problems
}

// TestMetricsThatAreNamedExist: in the dashboard, in the alerts, and on every page.
func TestMetricsThatAreNamedExist(t *testing.T) {
	all, texts := metrics(t), pages(t)
	for _, w := range watched {
		for _, name := range []string{w.dashboard, w.alerts, w.tests} {
			texts[name] = deployed(t, name)
		}
	}
	for name, text := range texts {
		for _, problem := range unknownMetrics(name, text, all) {
			t.Error(problem)
		}
	}
}

func TestMetricsThatAreNamedExistGoesRed(t *testing.T) {
	all := map[string]metric{"mainstem_pg_a_total": {kind: "counter"}, "mainstem_pg_b": {kind: "histogram"}}
	text := "rate(mainstem_pg_a_total[5m]) mainstem_pg_b_bucket mainstem_pg_b mainstem_pg_a_total_bucket mainstem_pg_c"
	if got := unknownMetrics("x", text, all); len(got) != 2 || !strings.Contains(got[0], "a_total_bucket") || !strings.Contains(got[1], "pg_c") {
		t.Errorf("found %q", got)
	}
}

// watched are the things that can be watched: each has a dashboard that shows all of
// its metrics, alerts, and tests of those.
var watched = []struct {
	dashboard, alerts, tests string
	has                      func(metric string) bool
}{
	{"deploy/grafana/pg.json", "deploy/prometheus/pg.rules.yml", "deploy/prometheus/pg.test.yml", ofPg},
	{
		"deploy/grafana/mainstem-node.json", "deploy/prometheus/mainstem-node.rules.yml", "deploy/prometheus/mainstem-node.test.yml",
		func(metric string) bool { return !ofPg(metric) },
	},
}

func ofPg(metric string) bool { return strings.HasPrefix(metric, "mainstem_pg_") }

func deployed(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(root + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// panel is what this test knows of a panel of Grafana.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// TestDashboard: every metric is shown, every panel has a unit that fits what it
// shows, and no two lie on each other.
func TestDashboard(t *testing.T) {
	all := metrics(t)
	for _, w := range watched {
		var d struct{ Panels []panel }
		if err := json.Unmarshal([]byte(deployed(t, w.dashboard)), &d); err != nil {
			t.Fatal(err)
		}
		own := maps.Clone(all)
		maps.DeleteFunc(own, func(name string, _ metric) bool { return !w.has(name) })
		for _, problem := range badPanels(d.Panels, own) {
			t.Errorf("%s: %s", w.dashboard, problem)
		}
	}
}

func badPanels(panels []panel, all map[string]metric) (problems []string) {
	ids, taken, shown := map[int]bool{}, map[[2]int]string{}, ""
	for _, p := range panels {
		if ids[p.ID] {
			problems = append(problems, fmt.Sprintf("%s has the ID of another panel", p.Title))
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					problems = append(problems, fmt.Sprintf("%s does not lie beside %s", p.Title, other))
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			shown += target.Expr + "\n"
			seconds := regexp.MustCompile(`_seconds(_bucket)?\{`).MatchString(target.Expr)
			bytes := strings.Contains(target.Expr, "_bytes")
			if unit := p.FieldConfig.Defaults.Unit; p.Type != "row" && (unit == "" || seconds != (unit == "s") || bytes != slices.Contains([]string{"bytes", "Bps"}, unit)) {
				problems = append(problems, fmt.Sprintf("%s has the unit %q for %s", p.Title, unit, target.Expr))
			}
		}
	}
	for name := range all {
		if !regexp.MustCompile(`\b` + name + `(_bucket|_sum|_count)?\b`).MatchString(shown) {
			problems = append(problems, "no panel shows "+name)
		}
	}
	return problems
}

func TestDashboardGoesRed(t *testing.T) {
	var panels []panel
	text := `[{"id":1,"title":"A","gridPos":{"w":2,"h":1},"fieldConfig":{"defaults":{"unit":"short"}},"targets":[{"expr":"a_seconds{}"}]},
		{"id":1,"title":"B","gridPos":{"w":1,"h":1,"x":1},"fieldConfig":{"defaults":{"unit":"s"}},"targets":[{"expr":"b_seconds{}"}]}]`
	if err := json.Unmarshal([]byte(text), &panels); err != nil {
		t.Fatal(err)
	}
	problems := strings.Join(badPanels(panels, map[string]metric{"a_seconds": {}, "c_total": {}}), "\n")
	for _, want := range []string{"B has the ID", "B does not lie beside A", `A has the unit "short"`, "no panel shows c_total"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "B has the unit") || strings.Contains(problems, "shows a_seconds") {
		t.Errorf("what is right was found wrong:\n%s", problems)
	}
}
