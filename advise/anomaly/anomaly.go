package anomaly

import "slices"

// Kind says what an anomaly comes from, and with it what can help.
type Kind string

// The kinds.
const (
	Isolation    Kind = "isolation"    // transactions that run at the same time
	Replication  Kind = "replication"  // copies that lag, and copies that are lost
	Effect       Kind = "effect"       // crashes and retries between two systems
	Coordination Kind = "coordination" // who may act
)

// Anomaly is one way in which data goes wrong.
type Anomaly struct {
	Name      string         `json:"name"              yaml:"name"` // as a description names it: lost_update
	Title     string         `json:"title"             yaml:"title"`
	Kind      Kind           `json:"kind"              yaml:"kind"`
	Also      []string       `json:"also,omitempty"    yaml:"also"` // its names in the literature
	Means     string         `json:"means"             yaml:"means"`
	Words     []string       `json:"words"             yaml:"words"`   // what users say of it
	Follows   []string       `json:"follows,omitempty" yaml:"follows"` // it is possible wherever one of these is
	Trace     Trace          `json:"trace"             yaml:"trace"`
	Start     map[string]int `json:"start,omitempty"   yaml:"start"` // of the registers in the trace
	Wrong     string         `json:"wrong"             yaml:"wrong"` // what no correct history has
	Prevented []string       `json:"prevented_by"      yaml:"prevented_by"`
	Source    []string       `json:"source"            yaml:"source"`
}

var anomalyTable = table[Anomaly]("anomalies.yaml", "copies.yaml")

// All are all anomalies, those of isolation first.
func All() []Anomaly { return slices.Clone(anomalyTable()) }

// Lookup finds an anomaly by its name, title, or a name in the literature (P4). The
// error is an *UnknownError.
func Lookup(name string) (Anomaly, error) {
	return find("anomaly", name, anomalyTable(), func(a *Anomaly) []string { return append([]string{a.Name, a.Title}, a.Also...) })
}
