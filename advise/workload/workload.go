package workload

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// LimitElements is the most elements of one list.
const LimitElements = 200

// Workload is what was said about a system. The zero Workload says nothing:
// every field is unknown. It is not safe for concurrent changes.
type Workload struct {
	values map[string]Value // by path with indexes
	counts map[string]int   // elements of the lists that were given, by path without brackets
}

// Get is what was said about a field; unknown if nothing was. A path into a list
// has an index: operations[0].rate.
func (w *Workload) Get(path string) Value {
	if v, ok := w.values[path]; ok {
		return v
	}
	f, _ := Lookup(path)
	return Value{Kind: f.Kind}
}

// Count is the number of elements of a list (operations, architecture.stores).
// A list that was not given is unknown: known is false.
func (w *Workload) Count(list string) (n int, known bool) {
	n, known = w.counts[list]
	return n, known
}

// Set says something about a field, as Parse reads it. A list grows by one when
// its first free index is set; an index beyond that is an error.
func (w *Workload) Set(path, text string) error {
	f, ok := Lookup(path)
	if !ok {
		return fmt.Errorf("workload: %s is no field%s", clip(path), didYouMean(Generic(path), allPaths()))
	}
	v, err := f.Parse(text)
	if err != nil {
		return fmt.Errorf("workload: %s: %w", path, err)
	}
	if err := w.grow(path); err != nil {
		return err
	}
	w.put(path, v)
	return nil
}

// grow makes room for a path into a list.
func (w *Workload) grow(path string) error {
	list, rest, ok := strings.Cut(path, "[")
	if !ok {
		return nil
	}
	number, _, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	n := w.counts[list]
	switch {
	case err != nil || i < 0 || strconv.Itoa(i) != number:
		return fmt.Errorf("workload: %s: an element is named by its index, from 0, as in %s[0]", clip(path), list)
	case i > n && i < LimitElements:
		return fmt.Errorf("workload: %s: the list has %d elements; set %s[%d] first", path, n, list, n)
	case i >= n:
		return w.AddElement(list)
	}
	return nil
}

// AddElement adds an element to a list, of which nothing is said yet.
func (w *Workload) AddElement(list string) error {
	n := w.counts[list]
	switch {
	case !table().lists[list]:
		return fmt.Errorf("workload: %s is no list", clip(list))
	case n >= LimitElements:
		return fmt.Errorf("workload: %s: a list has %d elements at most; describe the ones that differ", list, LimitElements)
	}
	w.setCount(list, n+1)
	return nil
}

// SetNone says that a list has no elements, which is something else than
// not knowing. Elements that it had are gone.
func (w *Workload) SetNone(list string) error {
	if !table().lists[list] {
		return fmt.Errorf("workload: %s is no list", clip(list))
	}
	maps.DeleteFunc(w.values, func(path string, _ Value) bool { return strings.HasPrefix(path, list+"[") })
	w.setCount(list, 0)
	return nil
}

// Said is true of a field that was answered, also with unknown: somebody was
// asked, and does not know.
func (w *Workload) Said(path string) bool {
	_, said := w.values[path]
	return said
}

// Exists refuses a path that is no field, or one of an element that is not there.
func (w *Workload) Exists(path string) error {
	other := w.Clone()
	if err := other.Set(path, Unknown); err != nil {
		return err
	}
	list, _, _ := strings.Cut(path, "[")
	if n := w.counts[list]; other.counts[list] != n {
		return fmt.Errorf("workload: %s: the description has %d of these; describe it first", path, n)
	}
	return nil
}

// Clone is a workload that says the same and changes on its own.
func (w *Workload) Clone() *Workload {
	return &Workload{values: maps.Clone(w.values), counts: maps.Clone(w.counts)}
}

func (w *Workload) setCount(list string, n int) {
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	w.counts[list] = n
}

func (w *Workload) put(path string, v Value) {
	if w.values == nil {
		w.values = map[string]Value{}
	}
	w.values[path] = v
}

// Known are the paths of all fields with a known value, in the order of the
// table, the elements of a list by index.
func (w *Workload) Known() []string {
	var known []string
	for _, s := range table().sections {
		for _, prefix := range w.prefixes(s) {
			for _, f := range s.Fields {
				if path := prefix + "." + f.Name; w.values[path].Known {
					known = append(known, path)
				}
			}
		}
	}
	return known
}

// prefixes are the places of a section's fields: one, or one for each element.
func (w *Workload) prefixes(s Section) []string {
	if !s.List {
		return []string{s.Path}
	}
	list := strings.TrimSuffix(s.Path, "[]")
	var prefixes []string
	for i := range w.counts[list] {
		prefixes = append(prefixes, fmt.Sprintf("%s[%d]", list, i))
	}
	return prefixes
}

func allPaths() []string { return slices.Sorted(maps.Keys(table().byPath)) }
