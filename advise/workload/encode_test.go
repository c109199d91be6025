package workload

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var commented = regexp.MustCompile(`(?m)^( *)#(- |  |)([a-z0-9_]+: .*)$`)

// TestExampleSaysNothingAndEverything: as it stands the example is valid and
// empty; with its marks taken out it says every field.
func TestExampleSaysNothingAndEverything(t *testing.T) {
	w, err := Decode(Example())
	if err != nil || len(w.Known()) != 0 {
		t.Fatalf("as it stands: %d values, %v", len(w.Known()), err)
	}
	said := commented.ReplaceAll(Example(), []byte("$1$2$3"))
	w, err = Decode(bytes.Replace(said, []byte("  deadline:"), []byte("  #deadline:"), 1)) // it contradicts hard_deadline: no
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range allPaths() {
		if path != "scope.deadline" && !w.Get(strings.Replace(path, "[]", "[0]", 1)).Known {
			t.Errorf("%s is not in the example", path)
		}
	}
	again, err := Decode(w.YAML())
	if err != nil {
		t.Fatal(err)
	}
	sameWorkload(t, w, again)
}

func TestSetBuildsWhatDecodeReads(t *testing.T) {
	var w Workload
	for _, s := range [][2]string{
		{"about.name", "unknown: yes # no"},
		{"consistency.strong", "yes"},
		{"operations[0].name", "unknown"},
		{"operations[0].rate", "5/s"},
		{"operations[1].name", "- x"},
		{"architecture.stores[0].name", "main"},
		{"observed.p99", "3 ms"},
	} {
		if err := w.Set(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetNone("reads"); err != nil {
		t.Fatal(err)
	}
	again, err := Decode(w.YAML())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.YAML())
	}
	sameWorkload(t, &w, again)
	if n, known := again.Count("reads"); n != 0 || !known {
		t.Error("an empty list is not unknown")
	}
}

func TestSetRefuses(t *testing.T) {
	var w Workload
	for path, want := range map[string]string{
		"consistency.stronk":  `did you mean "consistency.strong"?`,
		"operations[1].rate":  "set operations[0] first",
		"operations[-1].rate": "from 0",
		"operations[00].rate": "from 0",
		"operations[].rate":   "from 0",
		"objectives.p99":      "this is a duration",
	} {
		if err := w.Set(path, "5/s"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	for path, text := range map[string]string{"objectives.p99": "2 s", "objectives.p999": "1 s"} {
		if err := w.Set(path, text); err != nil {
			t.Fatal(err)
		}
	}
	if w.SetNone("load") == nil || w.Check() == nil {
		t.Error("accepted: a section as a list, or p99 above p999")
	}
}

func TestSetStopsAtTheLimit(t *testing.T) {
	var w Workload
	for i := range LimitElements + 1 {
		err := w.Set("reads["+strconv.Itoa(i)+"].name", "x")
		if (err == nil) != (i < LimitElements) {
			t.Fatalf("element %d: %v", i, err)
		}
	}
}

// TestUnknownIsSaid: that somebody was asked and does not know is kept, and is
// neither a value nor the same as not having been asked.
func TestUnknownIsSaid(t *testing.T) {
	var w Workload
	for _, path := range []string{"objectives.p99", "operations[0].rate"} {
		if err := w.Set(path, Unknown); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Decode(w.YAML())
	if err != nil {
		t.Fatal(err)
	}
	if !again.Said("objectives.p99") || !again.Said("operations[0].rate") || again.Said("objectives.p999") || len(again.Known()) != 0 {
		t.Errorf("read back:\n%s", again.YAML())
	}
	sameWorkload(t, &w, again)
}

func TestExists(t *testing.T) {
	var w Workload
	if err := w.AddElement("reads"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"reads[0].rate": "", "load.access": "", "reads[1].rate": "has 1 of these", "steps[0].name": "has 0 of these", "load.acess": "did you mean",
	} {
		if err := w.Exists(path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestCloneChangesAlone(t *testing.T) {
	var w Workload
	if err := w.Set("about.name", "one"); err != nil {
		t.Fatal(err)
	}
	other := w.Clone()
	for _, err := range []error{other.Set("about.name", "two"), other.AddElement("reads")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, known := w.Count("reads"); known || w.Get("about.name").Text != "one" {
		t.Error("a change of the clone is seen in the original")
	}
	if w.AddElement("load") == nil {
		t.Error("a section got an element")
	}
}
