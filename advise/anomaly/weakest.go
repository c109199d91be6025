package anomaly

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Choice is the weakest level that prevents what it was asked to prevent.
type Choice struct {
	Engine   string    `json:"engine"`
	Level    string    `json:"level,omitempty"` // empty if all that was asked for is outside
	Or       []string  `json:"or,omitempty"`    // levels that do as well and are not stronger
	Sure     Sure      `json:"sure"`            // the least sure of the verdicts
	Verdicts []Verdict `json:"verdicts"`        // of the level, one for each anomaly asked for
	Outside  []Verdict `json:"outside,omitempty"`
	Traps    []string  `json:"traps"`
}

// NoLevelError says that no level of a product prevents all that was asked for.
type NoLevelError struct {
	Engine string
	Best   string   // the level that leaves the fewest
	Left   []string // anomalies that the best level leaves
	Do     []string // what prevents them nevertheless, one for each
}

// Error says what is left, and what to do.
func (e *NoLevelError) Error() string {
	return fmt.Sprintf("anomaly: no level of %s prevents %s; take %s, and %s",
		e.Engine, strings.Join(e.Left, ", "), e.Best, strings.Join(e.Do, "; "))
}

// ErrNothingNamed is returned where no anomaly was named.
var ErrNothingNamed = errors.New("anomaly: nothing was named that must not happen; name one anomaly at least")

// Weakest is the weakest level of a product that prevents the named anomalies. What a
// level prevents in part counts as not prevented. Anomalies that no level decides are
// listed as outside. The error is an *UnknownError, a *NoLevelError or ErrNothingNamed.
func Weakest(engineName string, anomalies []string) (Choice, error) {
	e, err := engine(engineName)
	if err != nil {
		return Choice{}, err
	}
	if len(anomalies) == 0 {
		return Choice{}, ErrNothingNamed
	}
	c := Choice{Engine: e.Name, Sure: Tested, Traps: e.Traps}
	var inside []Anomaly
	for _, name := range anomalies {
		a, err := Lookup(name)
		if err != nil {
			return Choice{}, err
		}
		if v := verdict(e.Name, e.Levels[len(e.Levels)-1], a); decided(e, a) {
			inside = append(inside, a)
		} else {
			c.Outside = append(c.Outside, v)
		}
	}
	if len(inside) == 0 {
		return c, nil
	}
	return c.choose(e, inside)
}

// decided is true if some level of a product says something about an anomaly.
func decided(e Engine, a Anomaly) bool {
	return slices.ContainsFunc(e.Levels, func(l Level) bool { return verdict(e.Name, l, a).Admits != Outside })
}

func (c Choice) choose(e Engine, anomalies []Anomaly) (Choice, error) {
	var enough []Level
	best, left := Level{}, anomalies
	for _, l := range e.Levels {
		open := slices.DeleteFunc(slices.Clone(anomalies), func(a Anomaly) bool { return verdict(e.Name, l, a).Admits == No })
		if len(open) == 0 {
			enough = append(enough, l)
		}
		if best.Name == "" || len(open) < len(left) {
			best, left = l, open
		}
	}
	if len(enough) == 0 {
		fault := &NoLevelError{Engine: e.Title, Best: best.Title}
		for _, a := range left {
			fault.Left = append(fault.Left, a.Name)
			fault.Do = append(fault.Do, "against "+a.Name+": "+a.Prevented[0])
		}
		return c, fault
	}
	c.Level = enough[0].Name
	for _, a := range anomalies {
		v := verdict(e.Name, enough[0], a)
		c.Sure = lesser(c.Sure, v.Sure)
		c.Verdicts = append(c.Verdicts, v)
	}
	for _, l := range enough[1:] {
		if !slices.ContainsFunc(enough, func(o Level) bool { return o.Name != l.Name && stronger(e.Name, l, o) }) {
			c.Or = append(c.Or, l.Name)
		}
	}
	return c, nil
}

// stronger is true if one level is no worse than another in any anomaly, and better in
// one.
func stronger(engine string, one, other Level) bool {
	better := false
	for _, a := range anomalyTable() {
		x, y := slices.Index(worse, verdict(engine, one, a).Admits), slices.Index(worse, verdict(engine, other, a).Admits)
		if x > y {
			return false
		}
		better = better || x < y
	}
	return better
}
