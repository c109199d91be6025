package flow

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// models are those of the worked workloads, and one of everything.
func models(t *testing.T) map[string]*model.Model {
	t.Helper()
	files, err := filepath.Glob("../../examples/workloads/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads, %v", len(files), err)
	}
	all := map[string]*model.Model{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, err := workload.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = model.Propose(w, func(id string) rules.Finding {
			r, _ := rules.Lookup(id)
			return r.Eval(w)
		})
	}
	all["many"] = many()
	return all
}

// many has three groups, more operations than fit beside each other, and names that break
// what does not escape them.
func many() *model.Model {
	m := &model.Model{Door: model.Entrance{Door: model.PG, Says: "package pg"}}
	for i := range 3 {
		name := fmt.Sprintf("group%d/{key}", i)
		g := model.Group{Name: name}
		for j := range 4 {
			g.For = append(g.For, fmt.Sprintf("do %d.%d", i, j))
		}
		m.Groups = append(m.Groups, g)
		m.Streams = append(m.Streams, model.Stream{Group: name, Name: "events"})
	}
	m.Requests = &model.Requests{For: []string{"do 0.0", `"><script>alert(1)</script>`}}
	m.Views = []model.View{{Title: "a]\"|b", Follower: "f", Lag: "1 s", Kept: strings.Repeat("wide", 60)}, {Title: "at once"}}
	m.Reads = []model.Read{{Title: "one", From: "group1/{key}", At: "latest"}, {Title: "some", From: "the group that it names", At: "within"}, {Title: "seen", From: "at once", At: "view"}}
	m.Leases = []model.Lease{{Title: "seat", Checked: "no"}, {Title: strings.Repeat("漢", 90), TTL: "1 s", Checked: "yes"}}
	m.Calls = []model.Call{{Title: "bank", TakesID: "unknown"}}
	m.Steps = []model.Step{{Title: "pay", Service: "till", Compensable: "yes"}, {Title: "send", Compensable: "unknown"}}
	return m
}

// TestGraphIsTheModel: each part of a model is drawn once, every edge goes down, and nothing is
// drawn of nothing.
func TestGraphIsTheModel(t *testing.T) {
	for name, m := range models(t) {
		g := Of(m)
		var said []string
		for _, n := range g.Nodes {
			said = append(said, string(n.Kind)+" "+n.Title)
			if n.Kind != Group && len(n.Says) == 0 || slices.Contains(n.Says, "") {
				t.Errorf("%s: %+v says nothing", name, n)
			}
		}
		want := len(m.Steps) + len(m.Groups) + len(m.Views) + len(m.Calls) + len(m.Reads) + 2*len(m.Leases)
		for _, n := range g.Nodes {
			if n.Kind == Operation || n.Kind == Feed {
				want++
			}
		}
		if len(g.Nodes) != want {
			t.Errorf("%s: %d boxes for %d parts", name, len(g.Nodes), want)
		}
		for _, group := range m.Groups {
			for _, op := range group.For {
				from, to := slices.Index(said, "operation "+op), slices.Index(said, "group "+group.Name)
				if !slices.ContainsFunc(g.Edges, func(e Edge) bool { return e.From == from && e.To == to }) {
					t.Errorf("%s: no line from %s to %s", name, op, group.Name)
				}
			}
		}
		fed := map[int]bool{}
		for _, e := range g.Edges {
			if e.From < 0 || e.From >= e.To || e.To >= len(g.Nodes) || e.Label == "" {
				t.Errorf("%s: a line goes from %d to %d", name, e.From, e.To)
			}
			fed[e.To] = true
		}
		for i, n := range g.Nodes {
			if drawn := n.Kind == View && n.Title != "at once" || n.Kind == Outside || n.Kind == Read && len(n.Says) == 1; drawn && !fed[i] && len(m.Groups) > 0 {
				t.Errorf("%s: nothing comes to %s", name, n.Title)
			}
		}
	}
	for _, none := range []*model.Model{nil, {}} {
		if g := Of(none); len(g.Nodes) > 0 || g.SVG(700) != "" {
			t.Errorf("of nothing: %+v", g)
		}
	}
}

// TestLinesDoNotShareALane: two lines of one lane are never beside each other.
func TestLinesDoNotShareALane(t *testing.T) {
	for name, m := range models(t) {
		all, lanes := buses(Of(m).Edges)
		edges := 0
		if lanes > crowded || len(all) == 0 && len(Of(m).Edges) > 0 {
			t.Errorf("%s: %d lines in %d lanes", name, len(all), lanes)
		}
		for i, a := range all {
			edges += len(a.edges)
			if a.lane < 0 || a.lane >= lanes || a.from >= a.to {
				t.Errorf("%s: %+v of %d lanes", name, a, lanes)
			}
			for _, b := range all[i+1:] {
				if a.lane == b.lane && a.from < b.to && b.from < a.to {
					t.Errorf("%s: %+v runs into %+v", name, a, b)
				}
			}
		}
		if edges != len(Of(m).Edges) {
			t.Errorf("%s: %d edges are drawn", name, edges)
		}
	}
}

// TestCrowded: lines that fit are drawn, and one more are not.
func TestCrowded(t *testing.T) {
	for n, drawn := range map[int]bool{1: true, crowded: true, crowded + 1: false, 200: false} {
		m := &model.Model{}
		for i := range n {
			m.Groups = append(m.Groups, model.Group{Name: fmt.Sprint("group ", i), For: []string{fmt.Sprint("do ", i)}})
		}
		svg := Of(m).SVG(350)
		text, _ := inFrame(t, fmt.Sprint(n), svg, 350)
		if got := strings.Contains(svg, "<path"); got != drawn || slices.Contains(text, "Too many parts for lines between them.") == drawn {
			t.Errorf("%d groups: lines are drawn is %v", n, got)
		}
	}
}

var numeric = regexp.MustCompile(`^(x|y|width|height)$`)

// TestSVG: what is drawn is XML, the same each time, within its frame, has every title, and no
// text that is longer than its box.
func TestSVG(t *testing.T) {
	for name, m := range models(t) {
		for _, width := range []int{350, 700} {
			g := Of(m)
			drawn := g.SVG(width)
			if drawn != Of(m).SVG(width) {
				t.Errorf("%s: two drawings differ", name)
			}
			if len(g.Nodes) == 0 {
				continue
			}
			text, height := inFrame(t, name, drawn, width)
			if height < 20*len(g.Nodes) {
				t.Errorf("%s: %d boxes in %d", name, len(g.Nodes), height)
			}
			joined := strings.Join(text, "")
			for _, n := range g.Nodes {
				if !strings.Contains(strings.ReplaceAll(joined, " ", ""), strings.ReplaceAll(n.Title, " ", "")) {
					t.Errorf("%s at %d: %s is not drawn", name, width, n.Title)
				}
			}
			for _, one := range text {
				if len([]rune(one)) > int(float64(width)/glyph) {
					t.Errorf("%s at %d: %q is too long", name, width, one)
				}
			}
		}
	}
}

// inFrame reads a drawing as XML.
func inFrame(t *testing.T, name, drawn string, width int) (text []string, height int) {
	t.Helper()
	dec, inText := xml.NewDecoder(strings.NewReader(drawn)), false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return text, height
		}
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, drawn)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !slices.Contains([]string{"svg", "rect", "text", "path"}, token.Name.Local) {
				t.Errorf("%s draws a %s", name, token.Name.Local)
			}
			inText = token.Name.Local == "text"
			for _, a := range token.Attr {
				if a.Name.Local == "viewBox" {
					if _, err := fmt.Sscanf(a.Value, "0 0 %d %d", new(int), &height); err != nil {
						t.Fatal(err)
					}
				}
				if v, err := strconv.Atoi(a.Value); numeric.MatchString(a.Name.Local) && (err != nil || v < 0 || v > max(width, height)) {
					t.Errorf("%s: %s=%s is outside of %d x %d", name, a.Name.Local, a.Value, width, height)
				}
			}
		case xml.CharData:
			if inText {
				text = append(text, string(token))
			}
		case xml.EndElement:
			inText = false
		}
	}
}

// TestMermaid: a line for each node and edge, and no letter of a name that means something there.
func TestMermaid(t *testing.T) {
	node := regexp.MustCompile(`^    n\d+[\[({>]+"[^"<>` + "`" + `]+"[\])}]+$`)
	edge := regexp.MustCompile(`^    n\d+ -->\|"[^"<>]+"\| n\d+$`)
	for name, m := range models(t) {
		g := Of(m)
		lines := strings.Split(strings.TrimSuffix(g.Mermaid(), "\n"), "\n")
		if lines[0] != "flowchart TD" || len(lines) != 1+len(g.Nodes)+len(g.Edges) {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for i, one := range lines[1:] {
			if i < len(g.Nodes) && !node.MatchString(one) || i >= len(g.Nodes) && !edge.MatchString(one) {
				t.Errorf("%s: %s", name, one)
			}
		}
	}
	if got := quoted("a \"b\" #1\n<c>"); got != "a #34;b#34; #35;1 #60;c#62;" {
		t.Errorf("%s", got)
	}
}

func FuzzWrapped(f *testing.F) {
	f.Add("a group for each order", 12)
	f.Add(strings.Repeat("x", 40)+" 漢字", 12)
	f.Fuzz(func(t *testing.T, s string, letters int) {
		if letters < 2 || letters > 200 {
			return
		}
		lines := wrapped(s, letters)
		if got, want := strings.ReplaceAll(strings.Join(lines, ""), " ", ""), strings.Join(strings.Fields(s), ""); got != string([]rune(want)) {
			t.Errorf("%q became %q", want, got)
		}
		for _, one := range lines {
			long := 0
			for _, r := range one {
				long += wide(r)
			}
			if long > letters || one == "" {
				t.Errorf("%q has %d of %d letters", one, long, letters)
			}
		}
	})
}
