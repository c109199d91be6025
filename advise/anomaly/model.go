package anomaly

import "slices"

// Model is a consistency model.
type Model struct {
	Name      string   `json:"name"               yaml:"name"`
	Title     string   `json:"title"              yaml:"title"`
	Also      []string `json:"also,omitempty"     yaml:"also"`
	Means     string   `json:"means"              yaml:"means"`
	Implies   []string `json:"implies"            yaml:"implies"`   // the next weaker ones
	Prevents  []string `json:"prevents,omitempty" yaml:"prevents"`  // beyond what it implies
	Available string   `json:"available"          yaml:"available"` // total, sticky or none
	Costs     []string `json:"costs"              yaml:"costs"`
	Source    []string `json:"source"             yaml:"source"`
}

var modelTable = table[Model]("models.yaml")

// Models are all consistency models, stronger ones before those that they imply.
func Models() []Model { return slices.Clone(modelTable()) }

// LookupModel finds a model. The error is an *UnknownError.
func LookupModel(name string) (Model, error) {
	return find("consistency model", name, modelTable(), func(m *Model) []string { return append([]string{m.Name, m.Title}, m.Also...) })
}

// Implied are a model and all that it implies, the nearest first, each once.
func Implied(name string) ([]Model, error) {
	first, err := LookupModel(name)
	if err != nil {
		return nil, err
	}
	found := []Model{first}
	for i := 0; i < len(found); i++ {
		for _, next := range found[i].Implies {
			m, err := LookupModel(next)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(found, func(o Model) bool { return o.Name == m.Name }) {
				found = append(found, m)
			}
		}
	}
	return found, nil
}

// Implies is true if every history that the first model allows is one that the second
// allows. A model implies itself; two models of which neither implies the other are
// not comparable.
func Implies(first, second string) (bool, error) {
	below, err := Implied(first)
	if err != nil {
		return false, err
	}
	m, err := LookupModel(second)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(below, func(o Model) bool { return o.Name == m.Name }), nil
}

// Prevents are the anomalies that a model rules out, with all that it implies, sorted.
func Prevents(model string) ([]string, error) {
	below, err := Implied(model)
	var names []string
	for _, m := range below {
		names = append(names, m.Prevents...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}
