package rules

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// Threshold is a figure that conditions compare with.
type Threshold struct {
	Name   string        `json:"name"              yaml:"name"`
	Kind   workload.Kind `json:"kind"              yaml:"kind"`
	Value  string        `json:"value"             yaml:"value"`
	Means  string        `json:"means"             yaml:"means"`
	Source []string      `json:"source,omitempty"  yaml:"source"` // lines of the guides; none where the figure is ours

	value workload.Value
}

var thresholdTable = sync.OnceValue(func() []Threshold {
	var all []Threshold
	if err := readData("thresholds.yaml", &all); err != nil {
		panic("rules: " + err.Error()) //tidy:panic the embedded data is what TestThresholds reads
	}
	for i := range all {
		v, err := (workload.Field{Kind: all[i].Kind}).Parse(all[i].Value)
		if err != nil || !v.Known {
			panic(fmt.Sprintf("rules: threshold %s: %v", all[i].Name, err)) //tidy:panic as above
		}
		all[i].value = v
	}
	return all
})

// Thresholds are all thresholds, in the order of the data.
func Thresholds() []Threshold { return slices.Clone(thresholdTable()) }

// Amount is the figure in base units: seconds, percent, or the number.
func (t Threshold) Amount() float64 { return t.value.Amount }

// LookupThreshold finds a threshold by name.
func LookupThreshold(name string) (Threshold, bool) { return threshold("$" + name) }

func threshold(ref string) (Threshold, bool) {
	name, ok := strings.CutPrefix(ref, "$")
	if !ok {
		return Threshold{}, false
	}
	all := thresholdTable()
	i := slices.IndexFunc(all, func(t Threshold) bool { return t.Name == name })
	if i < 0 {
		return Threshold{}, false
	}
	return all[i], true
}
