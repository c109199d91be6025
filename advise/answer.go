package advise

import (
	"github.com/mainstemdb/mainstem/advise/control"
	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
)

// Answer is what the rules make of a workload. What is assumed comes first. An
// answer that turns away has no decisions.
type Answer struct {
	Name    string `json:"name,omitempty"`
	Purpose string `json:"purpose,omitempty"`

	Assumptions    []Assumption      `json:"assumptions"`
	TurnedAway     []Turned          `json:"turned_away,omitempty"`
	Contradictions []Contradiction   `json:"contradictions,omitempty"` // requirements that cannot all be had
	Decisions      []Decision        `json:"decisions"`                // ranked
	Model          *model.Model      `json:"model,omitempty"`          // where the data lives, as proposed
	Examples       []Advice          `json:"examples,omitempty"`       // worked examples that apply
	Wishes         []Wish            `json:"wishes,omitempty"`         // what must never happen, and whether it still can
	Remaining      []Anomaly         `json:"remaining,omitempty"`      // anomalies that the decisions leave
	Isolation      []Isolation       `json:"isolation,omitempty"`      // what the isolation levels in place are in truth
	Exposures      []Exposure        `json:"exposures,omitempty"`      // what the architecture in place is open to
	Anomalies      []Anomaly         `json:"anomalies,omitempty"`      // anomalies that it lets in
	Traces         []Trace           `json:"traces,omitempty"`         // each anomaly that is possible, as an example
	Controls       *control.Set      `json:"controls,omitempty"`       // timeouts, breakers, retries, alerts, with values
	ChangeFirst    []Change          `json:"change_first,omitempty"`   // remedies, the most urgent first
	Unclear        []Unclear         `json:"unclear,omitempty"`        // what it may be open to
	Gates          []Gate            `json:"gates,omitempty"`          // what has to be true before it goes live
	Delegations    []Delegation      `json:"delegations,omitempty"`
	Guidance       []Advice          `json:"guidance,omitempty"`   // principles, patterns and questions that apply
	Thresholds     []rules.Threshold `json:"thresholds,omitempty"` // the figures that were compared with
	Questions      []Open            `json:"questions"`            // still open, the most useful first
}

// Assumption is a field that nobody answered, and what was taken for granted.
type Assumption struct {
	Field   string   `json:"field"`
	Ask     string   `json:"ask"`
	Assumed string   `json:"assumed"` // what not knowing costs
	Bears   []string `json:"bears"`   // the rules that it bears on
}

// Turned is a boundary that the workload is beyond.
type Turned struct {
	Rule         string       `json:"rule"`
	Title        string       `json:"title"`
	Decide       string       `json:"decide"`
	Reason       string       `json:"reason"`
	TurnTo       string       `json:"turn_to"`
	Nevertheless string       `json:"nevertheless,omitempty"` // what is right all the same, if it is
	Because      []rules.Fact `json:"because"`
	Cases        []rules.Case `json:"cases,omitempty"` // on both sides of the line
	Source       []string     `json:"source"`
}

// Contradiction names requirements of which one has to give. The choice is the user's.
type Contradiction struct {
	Rule    string       `json:"rule"`
	Title   string       `json:"title"`
	Says    string       `json:"says"`
	Reason  string       `json:"reason"`
	Choose  []string     `json:"choose"`
	Because []rules.Fact `json:"because"`
	Source  []string     `json:"source"`
}

// Decision is a rule that fired.
type Decision struct {
	Rank       int               `json:"rank"` // from 1
	Rule       string            `json:"rule"`
	Title      string            `json:"title"`
	Decide     string            `json:"decide"`
	Reason     string            `json:"reason"`
	Confidence Confidence        `json:"confidence"`
	Because    []rules.Fact      `json:"because"`
	For        []string          `json:"for,omitempty"`    // operations, reads, derived data that it is about
	Beside     []string          `json:"beside,omitempty"` // rivals that fire as well: each for its own operations
	Instead    []Alternative     `json:"instead"`          // the two strongest
	Prevents   []string          `json:"prevents,omitempty"`
	Remains    []string          `json:"remains,omitempty"`
	Costs      []string          `json:"costs"`
	Pays       []string          `json:"pays"` // the kind of each cost, one of rules.CostKinds
	Verify     []rules.Check     `json:"verify"`
	Built      []rules.Part      `json:"built,omitempty"`
	Unbuilt    string            `json:"unbuilt,omitempty"`
	Thresholds []rules.Threshold `json:"thresholds,omitempty"`
	Source     []string          `json:"source"`
}

// Level is how far a decision can be relied on.
type Level string

// The levels of confidence.
const (
	High   Level = "high"
	Medium Level = "medium"
	Low    Level = "low"
)

// Confidence is a level with its arithmetic.
type Confidence struct {
	Level   Level    `json:"level"`
	Known   int      `json:"known"`             // of what bears on the decision, this much is known
	Of      int      `json:"of"`                // of so much
	Missing []string `json:"missing,omitempty"` // the fields that would raise it
	Lowered []string `json:"lowered,omitempty"` // why it is below what the share would give
}

// Alternative is another way, and why it is not the first.
type Alternative struct {
	Rule   string   `json:"rule,omitempty"`
	Name   string   `json:"name"`
	WhyNot string   `json:"why_not"`
	Lacks  []string `json:"lacks,omitempty"` // its conditions that do not hold, or are not known
}

// Advice is a rule that applies without being a decision.
type Advice struct {
	Rule    string       `json:"rule"`
	Kind    rules.Kind   `json:"kind"`
	Title   string       `json:"title"`
	Decide  string       `json:"decide"`
	Reason  string       `json:"reason"`
	Note    string       `json:"note,omitempty"`
	See     []string     `json:"see,omitempty"`
	Because []rules.Fact `json:"because,omitempty"`
	Source  []string     `json:"source"`
}

// Wish is something that must never happen, as the user said it.
type Wish struct {
	Words     string   `json:"words"`
	Anomaly   string   `json:"anomaly"` // unknown if it was not named
	Means     string   `json:"means,omitempty"`
	Cost      string   `json:"cost"`
	State     string   `json:"state"` // prevented, not prevented, unknown
	Prevented []string `json:"prevented_by,omitempty"`
	Opened    []string `json:"opened_by,omitempty"` // by the architecture in place
}

// Anomaly is a named anomaly, and the rules by which it is there.
type Anomaly struct {
	Name  string   `json:"name"`
	Means string   `json:"means"`
	By    []string `json:"by"`
}

// Trace is a history in which an anomaly happens, told with the operations of the
// description where it names enough of them.
type Trace struct {
	Anomaly   string   `json:"anomaly"`
	Title     string   `json:"title"`
	Because   []string `json:"because"`         // remains, not prevented, open now
	By        []string `json:"by"`              // the rules that leave it or let it in
	Own       bool     `json:"own"`             // told with the description's names
	History   string   `json:"history"`         // a column for each who acts, time going down
	Who       []string `json:"who"`             // the same as data: who acts,
	Steps     []Deed   `json:"steps"`           // what they do, in order,
	After     string   `json:"after,omitempty"` // and what is found at the end
	Wrong     string   `json:"wrong"`
	Prevented []string `json:"prevented_by"`
}

// Deed is one step of a trace.
type Deed struct {
	By   string `json:"by"`
	Does string `json:"does"`
}

// Exposure is a failure mode or a weakness that the architecture in place has.
type Exposure struct {
	Rule     string        `json:"rule"`
	Kind     rules.Kind    `json:"kind"`
	Title    string        `json:"title"`
	Decide   string        `json:"decide"`
	Reason   string        `json:"reason"`
	Because  []rules.Fact  `json:"because"`
	For      []string      `json:"for,omitempty"` // stores, caches, locks that it is about
	Opens    []string      `json:"opens,omitempty"`
	Symptoms []string      `json:"symptoms,omitempty"`
	Detect   string        `json:"detect,omitempty"`
	Fixes    []rules.Fix   `json:"fixes"`
	Verify   []rules.Check `json:"verify,omitempty"`
	Source   []string      `json:"source"`
}

// Change is a remedy for one or more exposures.
type Change struct {
	When string   `json:"when"` // immediate, short-term, long-term
	Do   string   `json:"do"`
	For  []string `json:"for"`
	Rule string   `json:"rule,omitempty"`
}

// Unclear is an exposure that cannot be ruled out.
type Unclear struct {
	Rule    string   `json:"rule"`
	Title   string   `json:"title"`
	Missing []string `json:"missing"`
}

// Gate is a quality gate with its state.
type Gate struct {
	Rule      string        `json:"rule"`
	Title     string        `json:"title"`
	Decide    string        `json:"decide"`
	Reason    string        `json:"reason"`
	State     string        `json:"state"` // passed, not passed, unknown
	Field     string        `json:"field"`
	Measure   string        `json:"measure"`
	Threshold string        `json:"threshold"`
	Verify    []rules.Check `json:"verify"`
	Source    []string      `json:"source"`
}

// Delegation is a question that is answered in part, and handed on.
type Delegation struct {
	Rule       string   `json:"rule"`
	Title      string   `json:"title"`
	Answered   string   `json:"answered"`
	Unanswered string   `json:"unanswered"`
	Reason     string   `json:"reason"`
	TurnTo     string   `json:"turn_to"`
	Source     []string `json:"source"`
}

// Open is a question whose answer would decide something.
type Open struct {
	Field string   `json:"field"`
	Ask   string   `json:"ask"`
	Why   string   `json:"why"`
	Costs string   `json:"costs"` // what not knowing costs
	Rules []string `json:"rules"` // what waits for it
}
