// Package numbers has the arithmetic behind decisions: quorums, tails, waiting,
// capacity, what retries and stampedes cost. Each calculator says its formula, where
// that comes from, and what it assumes. Simulations take a seed, and the same seed
// gives the same figures.
package numbers

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Kind is how an input is written.
type Kind string

// The kinds.
const (
	Count    Kind = "count"    // 3; as an input, whole
	Number   Kind = "number"   // 1.5
	Share    Kind = "share"    // 80 %
	Duration Kind = "duration" // 150 ms
	Rate     Kind = "rate"     // 200/s
	Size     Kind = "size"     // 20 GiB
)

// Input is one thing that a calculator has to be told.
type Input struct {
	Name     string  `json:"name"`
	Kind     Kind    `json:"kind"`
	Ask      string  `json:"ask"`
	Example  string  `json:"example"`
	Least    float64 `json:"least"` // in base units: seconds, bytes, per second, parts of one
	Most     float64 `json:"most"`
	Optional bool    `json:"optional,omitempty"` // then Example is what counts without it
}

// Figure is one result.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // in base units
	Text  string  `json:"text"`
}

// Calculator is one formula.
type Calculator struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Formula string   `json:"formula"`
	Source  string   `json:"source"`
	Assumes []string `json:"assumes"`
	Inputs  []Input  `json:"inputs"`

	compute func(in map[string]float64) ([]Figure, error)
}

// Problem is what is wrong with an input, and what to do.
type Problem struct{ Input, What, Do string }

// Error is the problem on one line.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s; %s", p.Input, p.What, p.Do) }

// All are all calculators, by name.
func All() []Calculator {
	all := slices.Concat(copies, waiting, tails, repeats, sizes, distances, keys, holders)
	slices.SortFunc(all, func(a, b Calculator) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Lookup finds a calculator by name.
func Lookup(name string) (Calculator, bool) {
	all := All()
	i, found := sort.Find(len(all), func(i int) int { return strings.Compare(name, all[i].Name) })
	if !found {
		return Calculator{}, false
	}
	return all[i], true
}

// Example is the inputs of the example, by name.
func (c Calculator) Example() map[string]string {
	said := map[string]string{}
	for _, in := range c.Inputs {
		said[in.Name] = in.Example
	}
	return said
}

// Run computes. Inputs are written with their units; what is missing, unknown or
// out of range is a Problem.
func (c Calculator) Run(said map[string]string) ([]Figure, error) {
	in := map[string]float64{}
	for _, input := range c.Inputs {
		text, given := said[input.Name]
		if !given && !input.Optional {
			return nil, &Problem{input.Name, "is missing", "give " + input.Name + "=" + input.Example + " (" + input.Ask + ")"}
		}
		if !given {
			text = input.Example
		}
		v, err := input.parse(text)
		if err != nil {
			return nil, err
		}
		in[input.Name] = v
	}
	for name := range said {
		if _, known := in[name]; !known {
			return nil, &Problem{name, "is no input of " + c.Name, "there are " + c.names()}
		}
	}
	return c.compute(in)
}

func (c Calculator) names() string {
	var names []string
	for _, in := range c.Inputs {
		names = append(names, in.Name)
	}
	return strings.Join(names, ", ")
}

// units are, per kind, what may stand behind a figure, in base units.
var units = map[Kind]map[string]float64{
	Count:    {"": 1},
	Number:   {"": 1},
	Share:    {"%": 0.01},
	Duration: {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400},
	Rate:     {"/s": 1, "/m": 1.0 / 60, "/h": 1.0 / 3600, "/d": 1.0 / 86400},
	Size:     {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40},
}

func (in Input) parse(text string) (float64, error) {
	text = strings.TrimSpace(text)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	figure, unit := text[:end], strings.TrimSpace(text[end:])
	scale, known := units[in.Kind][unit]
	v, err := strconv.ParseFloat(figure, 64)
	if err != nil || !known {
		return 0, &Problem{in.Name, fmt.Sprintf("%q is no %s", text, in.Kind), "write it like " + in.Example}
	}
	if in.Kind == Count && v != math.Trunc(v) {
		return 0, &Problem{in.Name, fmt.Sprintf("%q is not whole", text), "write it like " + in.Example}
	}
	v *= scale
	if v < in.Least || v > in.Most {
		return 0, &Problem{in.Name, fmt.Sprintf("%q is outside %s to %s", text, in.text(in.Least), in.text(in.Most)), "check the unit; it is written like " + in.Example}
	}
	return v, nil
}

func (in Input) text(v float64) string { return say(in.Kind, v) }

// say writes a figure in base units as a person reads it.
func say(kind Kind, v float64) string {
	switch kind {
	case Share:
		return percent(v) + " %"
	case Duration:
		if v < 1e-6 || v > 1e9 {
			return short(v) + " s"
		}
		d := v * float64(time.Second)
		digits := math.Pow(10, math.Floor(math.Log10(d))-5)
		return time.Duration(d).Round(time.Duration(max(1, digits))).String()
	case Rate:
		return short(v) + "/s"
	case Size:
		for _, u := range []string{"TB", "GB", "MB", "kB"} {
			if scale := units[Size][u]; v >= scale {
				return short(v/scale) + " " + u
			}
		}
		return short(v) + " B"
	default:
		return short(v)
	}
}

// percent writes a share; close to all, with as many digits as what is missing needs.
func percent(v float64) string {
	missing := 100 * (1 - v)
	if missing >= 1 || missing <= 1e-10 {
		return short(v * 100)
	}
	digits := 2 - int(math.Ceil(math.Log10(missing)))
	return strings.TrimRight(strconv.FormatFloat(v*100, 'f', digits, 64), "0")
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// figure makes a result.
func figure(name string, kind Kind, v float64) Figure {
	return Figure{Name: name, Value: v, Text: say(kind, v)}
}
