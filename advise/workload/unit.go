package workload

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// unit is a unit with its size in the base unit: seconds, events per second, bytes.
type unit struct {
	name string
	size float64
}

var (
	timeUnits = []unit{
		{"ns", 1e-9},
		{"us", 1e-6},
		{"µs", 1e-6},
		{"ms", 1e-3},
		{"s", 1},
		{"m", 60},
		{"min", 60},
		{"h", 3600},
		{"d", 86400},
		{"y", 365 * 86400},
	}
	rateUnits = []unit{{"/s", 1}, {"/m", 1.0 / 60}, {"/min", 1.0 / 60}, {"/h", 1.0 / 3600}, {"/d", 1.0 / 86400}}
	sizeUnits = []unit{
		{"B", 1},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"PB", 1e15},
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"PiB", 1 << 50},
	}
	percentUnits = []unit{{"%", 1}}
)

// spelled are units as people write them in full, and what they mean.
var spelled = map[string]string{
	"msec": "ms", "millis": "ms", "milliseconds": "ms", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "mins": "m", "minute": "m",
	"minutes": "m", "hour": "h", "hours": "h", "day": "d", "days": "d", "year": "y", "years": "y", "rps": "/s", "qps": "/s", "tps": "/s",
	"per second": "/s", "per minute": "/m", "bytes": "B", "percent": "%",
}

// measures are the units of the kinds that have some, and how a value is written.
var measures = map[Kind]struct {
	units []unit
	what  string
	like  string
}{
	Duration: {timeUnits, "a duration", "150 ms, 2 s, 5 m, 24 h or 30 d"},
	Rate:     {rateUnits, "a rate", "200/s, 5000/m or 10/h"},
	Size:     {sizeUnits, "a size", "400 B, 20 kB or 3 GiB"},
	Percent:  {percentUnits, "a percentage", "80 %"},
}

// Like is how a value with a unit is written, for people: "150 ms, 2 s, 5 m, 24 h
// or 30 d". A kind without units has none.
func (k Kind) Like() string { return measures[k].like }

// written are the units in which amounts are written, the largest first.
var written = map[Kind][]string{
	Duration: {"d", "h", "m", "s", "ms", "us", "ns"},
	Rate:     {"/s"},
	Size:     {"TB", "GB", "MB", "kB", "B"},
	Percent:  {"%"},
}

// Write is an amount in base units (seconds, events per second, bytes, percent, or
// the number) as Parse reads it, in the largest unit of which there is one, with
// 15 digits at most.
func (k Kind) Write(amount float64) string {
	name, size := "", 1.0
	for _, name = range written[k] {
		i := slices.IndexFunc(measures[k].units, func(u unit) bool { return u.name == name })
		size = measures[k].units[i].size
		if amount >= size || k == Duration && amount == 0 && name == "s" {
			break
		}
	}
	digits, err := strconv.ParseFloat(strconv.FormatFloat(amount/size, 'g', 15, 64), 64)
	if err != nil {
		digits = amount / size
	}
	text := strconv.FormatFloat(digits, 'f', -1, 64)
	if name != "" && name != "/s" {
		text += " "
	}
	return text + name
}

// limitAmount is above every sensible amount in base units, and leaves sums exact.
const limitAmount = 1e18

// parseAmount reads a number with the unit that its kind asks for.
func parseAmount(kind Kind, text string) (float64, error) {
	m, measured := measures[kind]
	if !measured {
		m.what, m.like = "a number", "3"
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.,_-+eE", r) })
	if end < 0 {
		end = len(text)
	}
	digits, name := text[:end], strings.TrimSpace(text[end:])
	number, err := strconv.ParseFloat(digits, 64)
	switch {
	case strings.Contains(digits, ","):
		return 0, fmt.Errorf("%q has a comma; write thousands without one, and fractions with a point", clip(text))
	case err != nil || math.IsNaN(number) || math.IsInf(number, 0) || strings.ContainsAny(digits, "_"):
		return 0, fmt.Errorf("%q is no number with a unit; %s is written like %s", clip(text), m.what, m.like)
	case number < 0:
		return 0, fmt.Errorf("%s is below zero; %s is written like %s", clip(text), m.what, m.like)
	}
	size := 1.0
	if measured || name != "" {
		if size, err = unitSize(m.units, name, text, m.what, m.like); err != nil {
			return 0, err
		}
	}
	if number*size > limitAmount {
		return 0, fmt.Errorf("%s is larger than anything that can be advised on; is it in the wrong unit?", clip(text))
	}
	return number * size, nil
}

func unitSize(units []unit, name, text, what, like string) (float64, error) {
	if i := slices.IndexFunc(units, func(u unit) bool { return u.name == name }); i >= 0 {
		return units[i].size, nil
	}
	if name == "" {
		return 0, fmt.Errorf("%s has no unit; %s is written like %s", clip(text), what, like)
	}
	for kind, m := range measures {
		if slices.ContainsFunc(m.units, func(u unit) bool { return u.name == name }) {
			return 0, fmt.Errorf("%s is a %s, and this is %s; write it like %s", clip(text), kind, what, like)
		}
	}
	if short, ok := spelled[strings.ToLower(name)]; ok {
		name = short
		if slices.ContainsFunc(units, func(u unit) bool { return u.name == name }) {
			return 0, fmt.Errorf("%s is in words, did you mean %q? %s is written like %s", clip(text), name, what, like)
		}
	}
	var names []string
	for _, u := range units {
		names = append(names, u.name)
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
		return 0, fmt.Errorf("%q is no unit here, did you mean %q? %s is written like %s", clip(name), names[i], what, like)
	}
	return 0, fmt.Errorf("%q is no unit of %s%s; it is written like %s", clip(name), what, didYouMean(name, names), like)
}
