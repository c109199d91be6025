package anomaly

import "slices"

// Change is one change of a schema, and which programs survive it.
type Change struct {
	Format   string `json:"format"   yaml:"format"` // json_schema, protobuf or avro
	Name     string `json:"change"   yaml:"change"`
	Title    string `json:"title"    yaml:"title"`
	Backward Answer `json:"backward" yaml:"backward"` // a new reader reads what the old writer wrote
	Forward  Answer `json:"forward"  yaml:"forward"`  // an old reader reads what the new writer writes
	Note     string `json:"note,omitempty" yaml:"note"`
	Source   string `json:"source"   yaml:"source"`

	// A schema before and after, with data of each; JSON Schema only.
	Old     map[string]any `json:"old,omitempty"      yaml:"old"`
	New     map[string]any `json:"new,omitempty"      yaml:"new"`
	OldData []any          `json:"old_data,omitempty" yaml:"old_data"`
	NewData []any          `json:"new_data,omitempty" yaml:"new_data"`
}

var changeTable = table[Change]("schemas.yaml")

// Changes are the changes that are known of a format: json_schema, protobuf or avro.
// The error is an *UnknownError.
func Changes(format string) ([]Change, error) {
	if _, err := find("schema format", format, changeTable(), func(c *Change) []string { return []string{c.Format} }); err != nil {
		return nil, &UnknownError{"schema format", format, formats()}
	}
	return slices.DeleteFunc(slices.Clone(changeTable()), func(c Change) bool { return c.Format != plain(format) }), nil
}

func formats() (names []string) {
	for _, c := range changeTable() {
		names = append(names, c.Format)
	}
	return slices.Compact(names)
}

// LookupChange finds a change of a format. The error is an *UnknownError.
func LookupChange(format, change string) (Change, error) {
	all, err := Changes(format)
	if err != nil {
		return Change{}, err
	}
	return find("change of "+format, change, all, func(c *Change) []string { return []string{c.Name, c.Title} })
}

// Compatibility is the name that schema registries give: full, backward, forward or
// none. What holds partly counts as not held.
func (c Change) Compatibility() string {
	switch {
	case c.Backward == Yes && c.Forward == Yes:
		return "full"
	case c.Backward == Yes:
		return "backward"
	case c.Forward == Yes:
		return "forward"
	default:
		return "none"
	}
}

// Order says what to upgrade first.
func (c Change) Order() string {
	return map[string]string{
		"full":     "in any order",
		"backward": "readers first, then writers; with stored data, readers read old and new for as long as it is kept",
		"forward":  "writers first, and old data rewritten or expired; then readers",
		"none":     "in steps: add the new form beside the old, write both, move the readers, stop writing the old one, remove it once no data has it alone",
	}[c.Compatibility()]
}
