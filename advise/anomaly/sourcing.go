package anomaly

import (
	"cmp"
	"slices"
)

// Point is one question of the choice between event sourcing and a table of current
// state, with what its answers count for event sourcing.
type Point struct {
	Name    string   `json:"name"    yaml:"name"`
	Ask     string   `json:"ask"     yaml:"ask"`
	Yes     int      `json:"yes"     yaml:"yes"` // points for event sourcing; negative is against
	No      int      `json:"no"      yaml:"no"`
	Because string   `json:"because" yaml:"because"`
	Source  []string `json:"source"  yaml:"source"` // lines of the guides, as document:line; none is ours
}

// Counted is a question that was answered.
type Counted struct {
	Name    string `json:"name"`
	Answer  Answer `json:"answer"`
	Points  int    `json:"points"`
	Because string `json:"because"`
}

// Sourcing is the advice: event_sourcing, table_with_events (current state, and an
// event appended in the same transaction), or table.
type Sourcing struct {
	Advice  string    `json:"advice"`
	Points  int       `json:"points"`  // for event sourcing
	Least   int       `json:"least"`   // if all that is unknown spoke against it
	Most    int       `json:"most"`    // if all of it spoke for it
	Settled bool      `json:"settled"` // no answer to what is unknown changes the advice
	Counted []Counted `json:"counted"` // by weight
	Unknown []string  `json:"unknown"` // questions without an answer
}

var sourcingTable = table[Point]("sourcing.yaml")

// The points from which event sourcing is advised, and from which events beside a
// table are. Six takes two strong reasons with little against them: one alone is
// better served by a table that appends events.
const (
	pointsForSourcing = 6
	pointsForEvents   = 1
)

// SourcingPoints are all questions of the choice.
func SourcingPoints() []Point { return slices.Clone(sourcingTable()) }

// SourceOrTable adds up answers, by name of the question: Yes, No, or nothing for not
// known. The error is an *UnknownError for a question or an answer that there is not.
func SourceOrTable(answers map[string]Answer) (Sourcing, error) {
	var s Sourcing
	for name := range answers {
		if _, err := find("question", name, sourcingTable(), func(p *Point) []string { return []string{p.Name} }); err != nil {
			return Sourcing{}, err
		}
	}
	for _, p := range sourcingTable() {
		points := 0
		switch a := answers[p.Name]; a {
		case Yes:
			points = p.Yes
		case No:
			points = p.No
		case "":
			s.Unknown = append(s.Unknown, p.Name)
			s.Least, s.Most = s.Least+min(p.Yes, p.No), s.Most+max(p.Yes, p.No)
			continue
		default:
			return Sourcing{}, &UnknownError{"answer to " + p.Name, string(a), []string{"yes", "no"}}
		}
		s.Points += points
		s.Counted = append(s.Counted, Counted{p.Name, answers[p.Name], points, p.Because})
	}
	s.Least, s.Most = s.Least+s.Points, s.Most+s.Points
	s.Advice = adviceFor(s.Points)
	s.Settled = adviceFor(s.Least) == s.Advice && adviceFor(s.Most) == s.Advice
	weight := func(c Counted) int { return max(c.Points, -c.Points) }
	slices.SortStableFunc(s.Counted, func(a, b Counted) int { return cmp.Compare(weight(b), weight(a)) })
	return s, nil
}

func adviceFor(points int) string {
	switch {
	case points >= pointsForSourcing:
		return "event_sourcing"
	case points >= pointsForEvents:
		return "table_with_events"
	default:
		return "table"
	}
}
