package program

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
)

// source is what the templates are filled with.
type source struct {
	Package string
	Door    string
	DB      string // type of the database
	Scenes  []string

	Operations []operation
	Events     []event
	Tables     []string // of package pg
	Stocked    []operation
	States     bool
	Counters   bool
	Limited    bool

	Views       []view
	FollowRules string
	Relaying    bool
	Partitioned bool
	Session     bool
	Causal      bool
	Copied      bool
	Skewed      bool
	Reads       []read
	Leases      []held
	Steps       []step

	Repeated, Competing, Following, Seeing, Logged, Sourced *operation
	Evolved                                                 *event

	Unshown []string // quoted
}

// operation is a function. What ends in Quoted, and groups, are Go expressions.
type operation struct {
	Func, Title, Quoted, Doc string
	Of                       string // the parameter that names a key
	Kind                     string // count, decide, write, sourced, append
	Event                    string // the type, if one is appended
	Versioned                bool
	Table                    string
	Stock                    string // the function that fills the stock
	Rule                     string // that it shows when others compete

	prefix string // of its group; the whole of it if there is one for all
	perKey bool
}

type event struct{ Ident, Type, Quoted, Older, Title string }

type view struct{ Quoted string }

type read struct{ Quoted, Said, At string }

type held struct{ Func, Title, TitleQuoted, Quoted, TTL string }

type step struct{ Name, Service string }

func newSource(a *advise.Answer) (*source, error) {
	if len(a.TurnedAway) > 0 || a.Model == nil {
		return nil, ErrNothing
	}
	s := &source{Package: packageName(a.Name), Door: "embedded", DB: "mainstem.DB"}
	if a.Model.Door.Door == model.PG {
		s.Door, s.DB = "pg", "pg.DB"
	}
	decided := func(id string) bool {
		return slices.ContainsFunc(a.Decisions, func(d advise.Decision) bool { return d.Rule == id })
	}
	s.operations(a.Model)
	s.leases(a.Model)
	s.reads(a.Model)
	s.steps(a.Model)
	s.stage(decided)
	s.follow(a.Model, decided)
	if len(s.Scenes) == 0 {
		return nil, ErrNothing
	}
	s.unshown(a)
	return s, nil
}

// operations are the functions, one for each operation that has a group.
func (s *source) operations(m *model.Model) {
	names := taken{}
	for _, g := range m.Groups {
		for _, title := range g.For {
			o := operation{
				Func: names.exported(title), Title: title, Quoted: strconv.Quote(title), Of: parameter(g.Of),
				Kind: "append", prefix: g.Name, perKey: g.PerKey, Table: strings.ReplaceAll(g.Of, "-", "_"),
			}
			if g.PerKey {
				o.prefix = g.Of + "/"
			}
			s.kind(&o, m, g, title)
			s.Operations = append(s.Operations, o)
		}
	}
	s.events(m, names)
	for i := range s.Operations {
		o := &s.Operations[i]
		s.stock(o, names)
		if !slices.Contains(s.Tables, o.Table) && o.Kind != "append" && o.Kind != "sourced" {
			s.Tables = append(s.Tables, o.Table)
		}
		s.Counters = s.Counters || o.Kind == "count"
		s.States = s.States || o.Kind == "decide" || o.Kind == "write"
		s.Limited = s.Limited || o.Kind == "decide" || o.Kind == "sourced"
	}
}

// stock gives an operation that takes from a stock the function that fills it: one for each group.
func (s *source) stock(o *operation, names taken) {
	if o.Kind != "count" {
		return
	}
	if i := slices.IndexFunc(s.Stocked, func(x operation) bool { return x.prefix == o.prefix }); i >= 0 {
		o.Stock = s.Stocked[i].Stock
		return
	}
	if o.Stock = "Stock"; len(s.Stocked) > 0 {
		o.Stock = names.exported("stock " + o.Of)
	}
	s.Stocked = append(s.Stocked, *o)
}

// kind says how an operation changes its group.
func (s *source) kind(o *operation, m *model.Model, g model.Group, title string) {
	o.Doc = "what happened is all that it writes"
	for _, k := range m.Keys {
		if k.Group != g.Name || !slices.Contains(k.For, title) {
			continue
		}
		switch {
		case k.Counter:
			o.Kind, o.Rule, o.Doc = "count", "split-hot-key", "it takes one of what is left, and is refused where nothing is"
		case k.Reads:
			o.Kind, o.Rule, o.Doc = "decide", k.Rules[0], "it decides on what is there, and is refused where the rule would be broken"
		default:
			o.Kind, o.Doc = "write", "it writes without looking"
		}
	}
	for _, st := range m.Streams {
		if st.Group == g.Name && st.Truth {
			o.Versioned = true
			if o.Kind == "append" {
				o.Kind, o.Rule, o.Doc = "sourced", "event-sourcing", "it decides on what has happened, and is refused where the rule would be broken"
			}
		}
	}
}

func (s *source) events(m *model.Model, names taken) {
	for _, e := range m.Events {
		name, _ := strings.CutSuffix(e.Type, ".v1")
		made := event{
			Ident: names.exported(strings.ReplaceAll(name, ".", " ")), Type: e.Type, Quoted: strconv.Quote(e.Type),
			Older: strconv.Quote(name), Title: e.For,
		}
		s.Events = append(s.Events, made)
		for i := range s.Operations {
			if o := &s.Operations[i]; o.Title == e.For && o.Event == "" {
				o.Event = made.Ident
				break
			}
		}
	}
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Event == "" && (o.Kind == "sourced" || o.Kind == "append") {
			o.Kind, o.Rule = "write", "" // nothing to append to
		}
	}
}

// Group is the operation's group, of its own parameter.
func (o operation) Group() string { return o.group(o.Of) }

// Key is the name of a key in its group: with that of the thing, where one group has all of them.
func (o operation) Key(name string) string {
	if o.perKey {
		return strconv.Quote(name)
	}
	return strconv.Quote(name+"/") + " + " + o.Of
}

// GroupOf is its group, of a variable that scenes have.
func (o operation) GroupOf() string { return o.group("of") }

func (o operation) group(of string) string {
	if !o.perKey {
		return strconv.Quote(o.prefix)
	}
	return strconv.Quote(o.prefix) + " + " + of
}

// unshown are the decisions that no scene shows, with where to turn.
func (s *source) unshown(a *advise.Answer) {
	for _, d := range a.Decisions {
		if !slices.Contains(s.shows(), d.Rule) {
			says := d.Title
			if r, ok := rules.Lookup(d.Rule); ok && r.Unbuilt != "" {
				says += ". " + r.Unbuilt
			}
			s.Unshown = append(s.Unshown, strconv.Quote(d.Rule+": "+says))
		}
	}
	for _, o := range a.Model.Open {
		s.Unshown = append(s.Unshown, strconv.Quote(fmt.Sprintf("%s: it waits for %s", o.What, strings.Join(o.Missing, ", "))))
	}
}
