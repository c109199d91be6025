package program

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// stage chooses the scenes for what was decided.
func (s *source) stage(decided func(string) bool) {
	first := func(kinds ...string) *operation {
		for _, kind := range kinds {
			if i := slices.IndexFunc(s.Operations, func(o operation) bool { return o.Kind == kind }); i >= 0 {
				return &s.Operations[i]
			}
		}
		return nil
	}
	any := first("append", "write", "decide", "count", "sourced")
	add := func(on bool, scene string) {
		if on {
			s.Scenes = append(s.Scenes, scene)
		}
	}
	if decided("request-ids") {
		s.Repeated = first("count", "decide", "write", "sourced", "append")
	}
	add(s.Repeated != nil, "repeated")
	s.Competing = first("count", "decide", "sourced")
	add(s.Competing != nil, "competing")
	s.Skewed = decided("serializable")
	add(s.Skewed, "skewed")
	if s.Door == "pg" && decided("one-log") && any != nil && any.Event != "" {
		s.Logged = any
	}
	add(s.Logged != nil, "logged")
	s.Seeing = any
	embedded := s.Door == "embedded" && any != nil
	s.Session = decided("session") && (s.Door == "pg" || embedded)
	add(s.Session, "ownWrites")
	s.Causal = decided("causal") && embedded
	add(s.Causal, "causes")
	if !embedded {
		s.Reads = nil
	}
	add(len(s.Reads) > 0, "reading")
	for _, l := range s.Leases {
		add(true, "fenced"+l.Func)
	}
	if decided("event-sourcing") {
		if i := slices.IndexFunc(s.Operations, func(o operation) bool { return o.Event != "" }); i >= 0 {
			s.Sourced = &s.Operations[i]
		}
	}
	add(s.Sourced != nil, "sourced")
	if decided("evolve-schema") && len(s.Events) > 0 {
		s.Evolved = &s.Events[0]
	}
	add(s.Evolved != nil, "evolved")
	s.Partitioned = decided("partition") && embedded && any.perKey
	add(s.Partitioned, "spread")
	add(len(s.Steps) > 0, "compensated")
	s.Copied = decided("synchronous-copy") && s.Door == "pg"
	add(s.Copied, "copied")
	if s.Session || s.Causal || len(s.Reads) > 0 || s.Partitioned {
		return
	}
	s.Seeing = nil
}

// followable are the decisions that a view which is filled once shows.
var followable = []string{"cqrs", "derived-may-lag", "checkpoint-with-effect", "log-broker", "one-log"}

func (s *source) follow(m *model.Model, decided func(string) bool) {
	i := slices.IndexFunc(s.Operations, func(o operation) bool { return o.Event != "" })
	if i < 0 {
		return
	}
	var shown []string
	for _, id := range followable {
		if decided(id) {
			shown = append(shown, id)
		}
	}
	for _, v := range m.Views {
		if v.Follower != "" {
			s.Views = append(s.Views, view{strconv.Quote(v.Follower)})
		}
	}
	if len(s.Views) > 0 {
		s.Following, s.FollowRules = &s.Operations[i], strings.Join(shown, ", ")
		s.Scenes = append(s.Scenes, "followed")
	}
	s.Relaying = len(s.Views) > 0 || s.Logged != nil
}

// shows are the decisions that the scenes show.
func (s *source) shows() (ids []string) {
	if len(s.Views) > 0 {
		ids = append(ids, strings.Split(s.FollowRules, ", ")...)
	}
	for _, scene := range []struct {
		on    bool
		rules []string
	}{
		{s.Repeated != nil, []string{"request-ids"}},
		{s.Competing != nil, []string{"linearizable", "compare-and-set", "rows"}},
		{s.Competing != nil && s.Counters, []string{"split-hot-key"}},
		{s.States, []string{"rows"}},
		{s.Skewed, []string{"serializable"}},
		{s.Logged != nil, []string{"one-log"}},
		{s.Session, []string{"session"}},
		{s.Causal, []string{"causal"}},
		{len(s.Leases) > 0, []string{"fencing"}},
		{s.Sourced != nil, []string{"event-sourcing"}},
		{s.Evolved != nil, []string{"evolve-schema"}},
		{s.Partitioned, []string{"partition"}},
		{len(s.Steps) > 0, []string{"saga"}},
		{s.Copied, []string{"synchronous-copy"}},
	} {
		if scene.on {
			ids = append(ids, scene.rules...)
		}
	}
	return ids
}

func (s *source) leases(m *model.Model) {
	names := taken{}
	for _, l := range m.Leases {
		h := held{Func: names.exported(l.Title), Title: l.Title, TitleQuoted: strconv.Quote(l.Title), Quoted: strconv.Quote(l.Name)}
		if ttl, ok := duration(l.TTL); ok && ttl >= time.Second && ttl <= 24*time.Hour {
			h.TTL = expression(ttl)
		}
		s.Leases = append(s.Leases, h)
	}
}

func (s *source) reads(m *model.Model) {
	for _, r := range m.Reads {
		made := read{Quoted: strconv.Quote(r.Title)}
		switch r.At {
		case "latest":
			made.At, made.Said = "mainstem.Latest()", "Latest()"
		case "session":
			made.At, made.Said = "mainstem.AtLeast(receipt.Token)", "AtLeast(token)"
		case "within":
			_, rest, _ := strings.Cut(r.Says, "Within(")
			said, _, _ := strings.Cut(rest, ")")
			age, ok := duration(said)
			if !ok {
				continue
			}
			made.At, made.Said = "mainstem.Within("+expression(age)+")", "Within("+said+")"
		default:
			continue
		}
		made.Said = strconv.Quote(made.Said)
		s.Reads = append(s.Reads, made)
	}
}

func (s *source) steps(m *model.Model) {
	for _, st := range m.Steps {
		service := st.Service
		if service == "" {
			service = st.Title
		}
		s.Steps = append(s.Steps, step{Name: strconv.Quote(st.Name), Service: strconv.Quote(service)})
	}
}

// duration reads a duration of a description.
func duration(text string) (time.Duration, bool) {
	v, err := workload.Field{Kind: workload.Duration}.Parse(text)
	if err != nil || !v.Known {
		return 0, false
	}
	return time.Duration(min(v.Amount*float64(time.Second), math.MaxInt64/2)), true
}

// expression writes a duration as Go does.
func expression(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"}} {
		if d >= u.unit && d%u.unit == 0 {
			return fmt.Sprintf("%d * time.%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d", int64(d))
}
