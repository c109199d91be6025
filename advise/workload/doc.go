// Package workload describes what a system has to do: one YAML file, typed
// field by field.
//
// One table, fields.yaml, says what can be said. The decoder, the JSON
// Schema, the commented description of Example, the rules of package rules and a
// questionnaire all read that table, so a field is added in one place. Each
// field says why it is asked, what not knowing costs, and which lines of the two
// guides it comes from.
//
// Every field has the value unknown until somebody answers it. Unknown is
// neither yes nor no: rules do not fire on it, and do not count it as refuted.
package workload
