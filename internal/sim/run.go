package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Target is a database in one configuration, with a clock that stands still
// but for Step.
type Target interface {
	// DB is the database as it is open now.
	DB() *mainstem.DB
	// Step lets time pass.
	Step(d time.Duration)
	// Restart closes the database and opens it again, if this configuration does.
	Restart(ctx context.Context) error
}

// Run runs a list on a target. The transcript has one line per operation, and
// then the contents of every group and the feed; two transcripts of one list
// are equal on any two correct databases.
func Run(ctx context.Context, target Target, list List) []string {
	r := newRunner(ctx, target)
	var transcript []string
	for _, op := range list {
		transcript = append(transcript, fmt.Sprintf("%3d  %s", op.Number, r.run(op)))
	}
	transcript = append(transcript, r.contents()...)
	return append(transcript, r.feed()...)
}

func newRunner(ctx context.Context, target Target) *runner {
	return &runner{
		ctx: ctx, target: target, last: map[string]moment{}, at: map[int]moment{}, sent: map[int]*mainstem.Transaction{},
		calls: map[int]Call{}, tokens: map[string]mainstem.FencingToken{}, granted: map[string]int{},
		writer: map[string]int{}, ages: map[string]mainstem.LogAge{}, first: map[string]string{},
	}
}

// moment is a place in a group's order.
type moment struct {
	position mainstem.Position
	age      mainstem.LogAge
	token    mainstem.Token
}

// runner resolves symbols for one target.
type runner struct {
	ctx     context.Context
	target  Target
	last    map[string]moment                // newest of each group
	at      map[int]moment                   // the group's newest just after an operation
	sent    map[int]*mainstem.Transaction    // resolved, as sent last
	calls   map[int]Call                     //
	tokens  map[string]mainstem.FencingToken // "number/lease" -> token
	granted map[string]int                   // "group/lease/token" -> number
	writer  map[string]int                   // "group/position" -> number
	ages    map[string]mainstem.LogAge       // "group/position" -> age
	first   map[string]string                // "group/ID" -> first receipt
}

func (r *runner) run(op Op) string {
	switch a := op.Do.(type) {
	case Commit:
		t := r.resolve(a.Transaction)
		r.sent[op.Number] = t
		return r.commit(op.Number, t)
	case Call:
		r.calls[op.Number] = a
		return r.call(op.Number, a)
	case Repeat:
		return r.repeat(op.Number, a)
	case Read:
		return r.read(a)
	case Step:
		r.target.Step(a.By)
		return r.settle()
	default:
		if err := r.target.Restart(r.ctx); err != nil {
			return "restart: " + err.Error()
		}
		return "ok"
	}
}

func (r *runner) commit(number int, t *mainstem.Transaction) string {
	receipt, err := r.target.DB().Backend().Commit(r.ctx, t)
	return r.outcome(number, t.Group, t.ID.String(), t.Operations, receipt, err)
}

func (r *runner) repeat(number int, a Repeat) string {
	if c, ok := r.calls[a.Of]; ok {
		return r.call(number, c)
	}
	t, ok := r.sent[a.Of]
	if !ok {
		return "left out"
	}
	again := *t
	if !a.Late {
		again.Attempt++
		r.sent[a.Of] = &again
	}
	return r.commit(number, &again)
}

// outcome notes what symbols may mean from now on, and says what happened.
func (r *runner) outcome(number int, group, id string, ops []mainstem.Operation, receipt *mainstem.Receipt, err error) string {
	defer func() { r.at[number] = r.last[group] }()
	if err != nil {
		return failure(err)
	}
	place := fmt.Sprint(group, "/", receipt.Position)
	wrong := ""
	if receipt.Replayed {
		if was := r.first[group+"/"+id]; id != "" && was != "" && was != whole(*receipt) {
			wrong = fmt.Sprintf(" WRONG (L5): the first receipt was %s, now %s", was, whole(*receipt))
		}
	} else {
		if receipt.Position <= r.last[group].position {
			wrong = fmt.Sprintf(" WRONG (L1): position %d after %d", receipt.Position, r.last[group].position)
		}
		r.last[group] = moment{position: receipt.Position, age: receipt.Age, token: receipt.Token}
		r.first[group+"/"+id] = whole(*receipt)
		r.writer[place], r.ages[place] = number, receipt.Age
		for i, o := range ops {
			if a, ok := o.(mainstem.Acquire); ok && i < len(receipt.Results) {
				token := receipt.Results[i].Token
				r.tokens[fmt.Sprint(number, "/", a.Lease)] = token
				r.granted[fmt.Sprint(group, "/", a.Lease, "/", token)] = number
			}
		}
	}
	return r.receipt(group, ops, receipt) + wrong
}

// whole is every field of a receipt but Replayed.
func whole(r mainstem.Receipt) string {
	return fmt.Sprintf("partition %d position %d incarnation %d age %d wall %d results %v reply %q refused %t token %s weak %q",
		r.Partition, r.Position, r.Incarnation, r.Age, r.Wall.UnixNano(), r.Results, r.Reply, r.Refused, r.Token, r.Weak)
}

// settle makes time count in every group, and waits for what expires. A key
// goes at some moment after its TTL, not at a stated one, so every
// configuration is brought to where all due keys are gone.
func (r *runner) settle() string {
	patience := time.Now().Add(10 * time.Second)
	for _, group := range slices.Sorted(slices.Values(groups)) {
		// The first may join a batch that was begun, and has its time from, before the step.
		for due, n := true, 0; due || n < 2; n++ {
			receipt, err := r.target.DB().Group(group).Do(r.ctx, "", func(tx *mainstem.Txn) error {
				tx.Emit(nudge, mainstem.Event{Type: nudge})
				return nil
			})
			if err != nil {
				return failure(err)
			}
			r.last[group] = moment{position: receipt.Position, age: receipt.Age, token: receipt.Token}
			if due, err = r.due(group, receipt.Age); err != nil {
				return failure(err)
			}
			if due && time.Now().After(patience) {
				return "WRONG (L6): a key is still there 10 s after its TTL, in group " + group
			}
		}
	}
	return "ok"
}

// nudge is the topic of the transactions that settle commits.
const nudge = "nudge"

func (r *runner) due(group string, age mainstem.LogAge) (due bool, err error) {
	v, err := r.target.DB().Group(group).View(r.ctx, mainstem.Latest())
	if err != nil {
		return false, err
	}
	defer v.Close()
	for version, err := range v.Scan(r.ctx, "", "") {
		if err != nil {
			return false, err
		}
		due = due || version.Until > 0 && version.Until <= age
	}
	return due, nil
}

// call runs a program in the functional form.
func (r *runner) call(number int, c Call) string {
	var ops []mainstem.Operation
	receipt, err := r.target.DB().Group(c.Group).Do(r.ctx, c.ID, func(tx *mainstem.Txn) error {
		reply, err := c.Program.read(r.ctx, tx)
		if err != nil {
			return err
		}
		if c.Program.Refuse {
			return tx.Refuse(reply)
		}
		ops = c.Program.write(tx, reply)
		return nil
	})
	return r.outcome(number, c.Group, c.ID, ops, receipt, err)
}

func (p Program) read(ctx context.Context, tx *mainstem.Txn) ([]byte, error) {
	var b strings.Builder
	for _, name := range p.Get {
		v, err := tx.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s=%t:%s ", name, v.Exists, v.Value)
	}
	if p.From != "" {
		for v, err := range tx.Scan(ctx, p.From, p.To) {
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%s=%s ", v.Name, v.Value)
		}
	}
	if p.Stream != "" {
		for e, err := range tx.Events(ctx, p.Stream, 0) {
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%d:%s ", e.Number, e.Data)
		}
	}
	reply := b.String()
	return []byte(reply[:min(len(reply), 200)]), nil
}

func (p Program) write(tx *mainstem.Txn, reply []byte) (ops []mainstem.Operation) {
	floor, ceiling := int64(0), int64(3)
	if p.Put != "" {
		ops = append(ops, mainstem.Put{Name: p.Put, Value: mainstem.Bytes(reply)})
	}
	if p.Add != "" {
		ops = append(ops, mainstem.Add{Name: p.Add, Delta: 1, Floor: &floor, Ceiling: &ceiling})
	}
	if p.Append != "" {
		ops = append(ops, mainstem.Append{Stream: p.Append, Events: []mainstem.Event{{Type: "t", Data: reply}}})
	}
	for _, o := range ops {
		tx.Operate(o)
	}
	tx.Reply(reply)
	return ops
}
