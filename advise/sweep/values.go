package sweep

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// LimitValues is the most values of a list a,b,c.
const LimitValues = 100

// values are a list, or else a range of amounts in base units.
type values struct {
	list     []string
	from, to float64
}

// read reads FROM..TO, a,b,c, or nothing for all values of a closed kind.
func read(f workload.Field, text string) (values, error) {
	closed := f.Kind == workload.YesNo || f.Kind == workload.Choice
	from, to, isRange := strings.Cut(text, "..")
	switch {
	case text == "" && closed:
		return values{list: everyValue(f)}, nil
	case text == "":
		return values{}, fmt.Errorf("a %s has no end of values; give a range, FROM..TO, or some, A,B,C, each written like %s", f.Kind, f.Example)
	case isRange && resolution[f.Kind] != 0:
		return readRange(f, from, to)
	case isRange:
		return values{}, fmt.Errorf("a %s has no order, so there is no range of it; give values like a,b,c", f.Kind)
	}
	var v values
	for one := range strings.SplitSeq(text, ",") {
		parsed, err := f.Parse(one)
		if err != nil {
			return v, err
		}
		if v.list = append(v.list, parsed.String()); len(v.list) > LimitValues {
			return v, fmt.Errorf("more than %d values; give a range, FROM..TO", LimitValues)
		}
	}
	return v, nil
}

func readRange(f workload.Field, from, to string) (values, error) {
	var ends [2]float64
	for i, text := range []string{from, to} {
		v, err := f.Parse(text)
		if err != nil {
			return values{}, err
		}
		if !v.Known {
			return values{}, fmt.Errorf("%q is no end of a range; it is written like %s..%s", text, f.Example, f.Example)
		}
		ends[i] = v.Amount
	}
	if ends[0] >= ends[1] {
		return values{}, fmt.Errorf("%s is not below %s; write the lower end first", strings.TrimSpace(from), strings.TrimSpace(to))
	}
	return values{from: ends[0], to: ends[1]}, nil
}

// everyValue are the values of a closed kind, unknown last.
func everyValue(f workload.Field) []string {
	all := []string{"yes", "no"}
	if f.Kind == workload.Choice {
		all = nil
		for _, o := range f.Options {
			all = append(all, o.Name)
		}
	}
	return append(all, workload.Unknown)
}
