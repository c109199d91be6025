// Package control gives the settings that a workload asks for: timeouts, retries,
// breakers, queues, leases and alerts, each with its value, the formula that it comes
// from, what that takes for granted, and the fields it stands on. A field that is not
// known gives no value; what is then missing is listed.
package control

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/advise/numbers"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Kind says what a control is for.
type Kind string

// The kinds.
const (
	Timeout Kind = "timeout"
	Retry   Kind = "retry"
	Breaker Kind = "breaker"
	Queue   Kind = "queue"
	Lease   Kind = "lease"
	Cache   Kind = "cache"
	Alert   Kind = "alert"
)

// Control is one setting.
type Control struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`
	For     string   `json:"for"`
	Value   string   `json:"value"`
	Why     string   `json:"why"`
	Formula string   `json:"formula"`
	Calc    string   `json:"calc,omitempty"` // a command that computes it again
	Assumes []string `json:"assumes,omitempty"`
	Rules   []string `json:"rules,omitempty"`
	Fields  []string `json:"fields"`
}

// Unset is a control without a value.
type Unset struct {
	Name    string   `json:"name"`
	Missing []string `json:"missing"`
}

// Set is what a workload asks for.
type Set struct {
	Controls []Control `json:"controls,omitempty"`
	Unset    []Unset   `json:"unset,omitempty"`
}

// Propose computes the controls of a workload. Applies says whether a rule fired.
func Propose(w *workload.Workload, applies func(rule string) bool) *Set {
	s := &setting{w: w, applies: applies}
	s.deadline()
	s.operations()
	s.externals()
	s.leases()
	s.derived()
	s.objectives()
	s.capacity()
	return &s.Set
}

type setting struct {
	Set
	w       *workload.Workload
	applies func(rule string) bool
}

func (s *setting) value(path string) workload.Value { return s.w.Get(path) }

// known is false, and the control is listed as unset, if a field is not known.
func (s *setting) known(name string, paths ...string) bool {
	var missing []string
	for _, p := range paths {
		if !s.value(p).Known {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		s.Unset = append(s.Unset, Unset{name, missing})
	}
	return len(missing) == 0
}

func (s *setting) add(c Control, rules ...string) {
	for _, id := range rules {
		if s.applies(id) {
			c.Rules = append(c.Rules, id)
		}
	}
	s.Controls = append(s.Controls, c)
}

// each visits the elements of a list by path and name.
func (s *setting) each(list string, visit func(at, name string)) {
	n, _ := s.w.Count(list)
	for i := range n {
		at := fmt.Sprintf("%s[%d]", list, i)
		name := s.value(at + ".name").Text
		if name == "" {
			name = strings.TrimSuffix(list, "s") + " " + strconv.Itoa(i+1)
		}
		visit(at, name)
	}
}

// compute runs a calculator and gives one of its figures, with the command that does so again.
func compute(name, figure string, inputs ...[2]string) (text, command string, ok bool) {
	c, found := numbers.Lookup(name)
	if !found {
		panic("control: no calculator is called " + name) //tidy:panic the names are constants of this package
	}
	in := map[string]string{}
	command = "mainstem advise calc " + name
	for _, one := range inputs {
		in[one[0]] = one[1]
		if strings.Contains(one[1], " ") {
			one[1] = strconv.Quote(one[1])
		}
		command += " " + one[0] + "=" + one[1]
	}
	figures, err := c.Run(in)
	if err != nil {
		return "", "", false
	}
	i := slices.IndexFunc(figures, func(f numbers.Figure) bool { return f.Name == figure })
	if i < 0 {
		panic("control: " + name + " has no " + figure) //tidy:panic as above
	}
	return figures[i].Text, command, true
}

// spoken writes seconds as a description does, in three digits.
func spoken(seconds float64) string {
	for _, u := range []struct {
		unit float64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}, {1e-3, "ms"}} {
		if seconds >= u.unit {
			return strconv.FormatFloat(seconds/u.unit, 'g', 3, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(seconds*1e6, 'g', 3, 64) + " us"
}

// input writes seconds as calculators read them.
func input(seconds float64) string {
	return strconv.FormatFloat(math.Round(seconds*1e9)/1e9, 'f', -1, 64) + " s"
}

// rateInput writes events per second as calculators read them.
func rateInput(perSecond float64) string { return strconv.FormatFloat(perSecond, 'f', -1, 64) + "/s" }

// shortest is the least of durations that calculators take.
const shortest = float64(time.Nanosecond) / float64(time.Second)
