package anomaly

import "slices"

// Answer is whether something is so.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Partly  Answer = "partly"  // in cases that are named
	Outside Answer = "outside" // a level does not decide this
)

// Sure says what a statement rests on, from the best.
type Sure string

// The grades.
const (
	Tested     Sure = "tested"     // run on a real server by a test of this repository
	Documented Sure = "documented" // the product's manual says so
	Reported   Sure = "reported"   // a paper or an independent test says so
	Inferred   Sure = "inferred"   // it follows from how the product is built, and was not run
)

var grades = []Sure{Tested, Documented, Reported, Inferred}

// lesser is the weaker of two grades.
func lesser(a, b Sure) Sure { return grades[max(slices.Index(grades, a), slices.Index(grades, b))] }

// Engine is a product with its levels, weakest first.
type Engine struct {
	Name     string   `json:"engine"   yaml:"engine"`
	Title    string   `json:"title"    yaml:"title"`
	Versions string   `json:"versions" yaml:"versions"` // to which the data belongs
	Traps    []string `json:"traps"    yaml:"traps"`    // where names or defaults mislead
	Levels   []Level  `json:"levels"   yaml:"levels"`
}

// Level is an isolation level of one product, or a way to use a product that has none.
type Level struct {
	Name     string            `json:"name"              yaml:"name"`
	Title    string            `json:"title"             yaml:"title"`
	Aliases  []string          `json:"aliases,omitempty" yaml:"aliases"`
	Default  bool              `json:"default,omitempty" yaml:"default"`
	Model    string            `json:"model"             yaml:"model"` // the consistency model that it is in truth
	How      string            `json:"how"               yaml:"how"`
	Prevents []string          `json:"prevents"          yaml:"prevents"`
	Admits   []string          `json:"admits"            yaml:"admits"`
	Partly   map[string]string `json:"partly,omitempty"  yaml:"partly"` // anomaly to when
	Sure     Sure              `json:"sure"              yaml:"sure"`
	Less     map[string]Sure   `json:"less,omitempty"    yaml:"less"` // anomalies of which it is less sure
	Source   []string          `json:"source"            yaml:"source"`
}

// Verdict says whether a level admits an anomaly.
type Verdict struct {
	Engine  string   `json:"engine"`
	Level   string   `json:"level"`
	Anomaly string   `json:"anomaly"`
	Admits  Answer   `json:"admits"`
	When    string   `json:"when,omitempty"` // for partly: the cases; for outside: what helps
	Sure    Sure     `json:"sure"`
	Source  []string `json:"source"`
}

var engineTable = table[Engine]("engines-sql.yaml", "engines-other.yaml")

// Engines are all products.
func Engines() []Engine { return slices.Clone(engineTable()) }

func engine(name string) (Engine, error) {
	return find("engine", name, engineTable(), func(e *Engine) []string { return []string{e.Name, e.Title} })
}

// Levels are the levels of a product, weakest first. The error is an *UnknownError.
func Levels(name string) ([]Level, error) {
	e, err := engine(name)
	return e.Levels, err
}

// Admits says whether a level of a product lets an anomaly happen. Outside means
// that the level does not decide it, on one copy or several: When then says what
// helps. Names that are not known are an *UnknownError; a level that the product does
// not have is one too (Oracle has no REPEATABLE READ).
func Admits(engineName, level, anomaly string) (Verdict, error) {
	e, err := engine(engineName)
	if err != nil {
		return Verdict{}, err
	}
	l, err := find("level of "+e.Title, level, e.Levels, func(l *Level) []string { return append([]string{l.Name, l.Title}, l.Aliases...) })
	if err != nil {
		return Verdict{}, err
	}
	a, err := Lookup(anomaly)
	if err != nil {
		return Verdict{}, err
	}
	return verdict(e.Name, l, a), nil
}

func verdict(engine string, l Level, a Anomaly) Verdict {
	v := Verdict{Engine: engine, Level: l.Name, Anomaly: a.Name, Sure: l.Sure, Source: l.Source}
	if less, ok := l.Less[a.Name]; ok {
		v.Sure = less
	}
	when, partly := l.Partly[a.Name]
	switch {
	case partly:
		v.Admits, v.When = Partly, when
	case slices.Contains(l.Prevents, a.Name):
		v.Admits = No
	case slices.Contains(l.Admits, a.Name):
		v.Admits = Yes
	case len(a.Follows) > 0:
		follow(&v, l, a)
	default:
		v.Admits, v.When, v.Sure, v.Source = Outside, "isolation does not decide this; it takes "+a.Prevented[0], Documented, a.Source
	}
	return v
}

// worse orders answers: what one of several causes lets in is let in.
var worse = []Answer{Outside, No, Partly, Yes}

// follow judges an anomaly by those that it follows.
func follow(v *Verdict, l Level, a Anomaly) {
	v.Admits = Outside
	for _, name := range a.Follows {
		cause, err := Lookup(name)
		if err != nil {
			continue // the data is tested to have it
		}
		c := verdict(v.Engine, l, cause)
		v.Sure = lesser(v.Sure, c.Sure)
		if slices.Index(worse, c.Admits) > slices.Index(worse, v.Admits) {
			v.Admits, v.When = c.Admits, "through "+name
			if c.When != "" {
				v.When += ": " + c.When
			}
		}
	}
	if v.Admits == No {
		v.When = ""
	}
}
