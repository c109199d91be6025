package rules

import "github.com/mainstemdb/mainstem/advise/workload"

// IsAnomaly is true of the names that the description knows: the options of
// never[].anomaly.
func IsAnomaly(name string) bool {
	f, _ := workload.Lookup("never[].anomaly")
	v, err := f.Parse(name)
	return err == nil && v.Known
}
