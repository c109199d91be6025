package anomaly

import "slices"

// System is a product in one setting, and what it gives up.
type System struct {
	System    string `json:"system"    yaml:"system"`
	Setting   string `json:"setting"   yaml:"setting"`
	Partition string `json:"partition" yaml:"partition"` // consistency, availability or neither
	Otherwise string `json:"otherwise" yaml:"otherwise"` // consistency or latency
	Why       string `json:"why"       yaml:"why"`
	Source    string `json:"source"    yaml:"source"`
}

var systemTable = table[System]("systems.yaml")

// Systems are all products in all settings.
func Systems() []System { return slices.Clone(systemTable()) }

// SystemsOf are the settings of one product; none is an empty list.
func SystemsOf(name string) []System {
	return slices.DeleteFunc(Systems(), func(s System) bool { return s.System != plain(name) })
}

// CAP is what it is in Brewer's terms: CP, AP, or empty for neither, which is common.
func (s System) CAP() string {
	return map[string]string{"consistency": "CP", "availability": "AP"}[s.Partition]
}

// PACELC is Abadi's class: PC/EC, PA/EL and so on. A system that keeps neither in a
// partition has P- there.
func (s System) PACELC() string {
	in := map[string]string{"consistency": "PC", "availability": "PA", "neither": "P-"}[s.Partition]
	return in + "/" + map[string]string{"consistency": "EC", "latency": "EL"}[s.Otherwise]
}
