package state

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// TestConversations runs testdata/*.txt: what was asked, and what the rules
// said. Read them as prose; -rewrite writes the answers anew.
//
//	record age=10s [rows] [expire] [checkpoint] [wall=10s] [leap=1h] [restored] [after=1000]
//	       [id-age=1h] [history=(group,prefix,1h)]
//	txn GROUP ID [attempt=2] [networked] [born=1s] [before=9s] [as=FINGERPRINT] [reply=TEXT] [refused]
//	if absent KEY ... / OPERATION ...     (see language_test.go)
//
// is one record of some transactions. The other commands ask: get, scan,
// versions, events, streams, groups, lease, receipt (each with at=POSITION for
// the past), before (a log age), tail, sweep.
func TestConversations(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.tb = t
			answer, err := w.converse(d)
			if err != nil {
				return err.Error() + "\n"
			}
			return answer
		})
	})
}

func (w *world) converse(d *datadriven.TestData) (string, error) {
	if d.Cmd == "record" {
		return w.record(d)
	}
	args := make([]string, 0, len(d.CmdArgs))
	r := w.reading()
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "at":
			n, err := strconv.ParseUint(a.Vals[0], 10, 64)
			if err != nil {
				return "", err
			}
			r.At = mainstem.Position(n)
		default:
			args = append(args, a.Key)
		}
	}
	switch d.Cmd {
	case "tail":
		return w.tailText(), nil
	case "sweep":
		return w.sweep()
	case "before":
		age, err := time.ParseDuration(args[0])
		if err != nil {
			return "", err
		}
		p, err := LastBefore(w.rows, w.tail.Last, func(p Place) bool { return p.Age < mainstem.LogAge(age) })
		return fmt.Sprintf("the last position before %s is %s\n", age, p), err
	case "token":
		return w.token(args)
	default:
		return ask(r, d.Cmd, args)
	}
}

// record writes one record and tells what became of each transaction.
func (w *world) record(d *datadriven.TestData) (string, error) {
	h := w.header(w.tail.Age)
	rows, expire := false, 0
	for _, a := range d.CmdArgs {
		value := ""
		if len(a.Vals) > 0 {
			value = a.Vals[0]
		}
		switch a.Key {
		case "rows":
			rows = true
		case "expire":
			expire = 100
		case "history":
			h.Settings = w.settings(h)
			age, err := time.ParseDuration(a.Vals[2])
			if err != nil {
				return "", err
			}
			h.Settings.History = append(h.Settings.History, record.Keep{Group: a.Vals[0], Prefix: a.Vals[1], Age: int64(age)})
		case "checkpoint":
			h.Checkpoint = &record.Checkpoint{Range: w.tail.AskedRange, Next: (w.tail.AskedRange + 1) % Ranges}
		case "after":
			after, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return "", err
			}
			h.Genesis.After, h.First = mainstem.Position(after), mainstem.Position(after)+1
		case "restored":
			h.Restored, h.Incarnation, h.First = true, w.tail.Incarnation+1, w.tail.Last+1+1<<40
		default:
			if err := w.time(&h, a.Key, value); err != nil {
				return "", err
			}
		}
	}
	txs, err := parseTransactions(d.Input)
	if err != nil {
		return "", err
	}
	all, writes := w.write(h, expire, txs)
	var b strings.Builder
	for _, d := range all {
		b.WriteString(d.text())
	}
	newest := map[string]int{} // of several writes of one row the last counts
	for i, o := range writes {
		newest[string(o.Key)] = i
	}
	for i, o := range writes {
		switch {
		case !rows || newest[string(o.Key)] != i:
		case o.End != nil:
			fmt.Fprintf(&b, "  rows: %s, and all up to the next\n", describe(o.Key, nil, true))
		default:
			fmt.Fprintf(&b, "  row: %s\n", describe(o.Key, o.Value, o.Delete))
		}
	}
	return b.String(), nil
}

func (w *world) settings(h record.Header) *record.Settings {
	s := w.tail.Settings
	if h.Settings != nil {
		s = *h.Settings
	}
	return &s
}

// time sets what a header says of time.
func (w *world) time(h *record.Header, key, value string) error {
	d, err := time.ParseDuration(value)
	switch key {
	case "age":
		h.Age, h.Wall = mainstem.LogAge(d), max(w.tail.Wall, epoch.Add(d).UnixNano())
	case "wall":
		h.Wall = epoch.Add(d).UnixNano()
	case "leap":
		h.Leap = int64(d)
	case "id-age":
		h.Settings = w.settings(*h)
		h.Settings.IDAge = int64(d)
	default:
		return fmt.Errorf("record knows no %s", key)
	}
	return err
}

func (d decision) text() string {
	var b strings.Builder
	who := "expiry"
	if d.asked != nil {
		who = d.asked.ID.String()
		if d.asked.ID.Number > 0 {
			who = fmt.Sprintf("~%d.%d", d.asked.ID.Session[0], d.asked.ID.Number)
		}
		who = fmt.Sprintf("%s in %s", who, d.asked.Group)
	}
	switch {
	case d.err != nil:
		fmt.Fprintf(&b, "%s: no: %v\n", who, d.err)
	case d.known != nil:
		fmt.Fprintf(&b, "%s: replayed: %s\n", who, receiptText(d.known))
	default:
		fmt.Fprintf(&b, "%s: position %s\n", who, d.position)
		for _, e := range d.decided.Effects {
			fmt.Fprintf(&b, "  %s\n", effectText(e))
		}
	}
	return b.String()
}

func (w *world) tailText() string {
	t := w.tail
	var b strings.Builder
	fmt.Fprintf(&b, "record %d, position %s, incarnation %d, age %s, wall %s\n", t.Head.Index, t.Last, t.Incarnation, t.Age,
		time.Unix(0, t.Wall).UTC().Format(time.RFC3339))
	for _, era := range t.Past {
		fmt.Fprintf(&b, "incarnation %d ended at position %s\n", era.Incarnation, era.Last)
	}
	for _, bucket := range t.Buckets {
		fmt.Fprintf(&b, "%d IDs since %s\n", bucket.IDs, bucket.Start)
	}
	fmt.Fprintf(&b, "history is kept from %v on; %s may still be taken from a wall clock\n", t.Horizons, time.Duration(t.LeapBudget(t.Age)))
	return b.String()
}

// sweep collects garbage in every range, on both sides.
func (w *world) sweep() (string, error) {
	var b strings.Builder
	for number := range uint8(Ranges) {
		var dead []Write
		before, err := Sweep(w.rows, w.tail, number, func(key []byte) error {
			fmt.Fprintf(&b, "dead: %s\n", describe(key, []byte(w.rows[string(key)]), false))
			dead = append(dead, Write{Key: append([]byte(nil), key...), Delete: true})
			return nil
		})
		if err != nil {
			return "", err
		}
		w.rows.apply(dead)
		w.replay.apply(dead)
		after, err := Sweep(w.rows, w.tail, number, func([]byte) error { return nil })
		if err != nil {
			return "", err
		}
		if before != after {
			fmt.Fprintf(&b, "collecting garbage changed the digest of range %d\n", number)
		}
	}
	if b.Len() == 0 {
		return "nothing is dead\n", nil
	}
	return b.String(), nil
}

// token makes one of an incarnation and a position, and asks whether this
// history has it.
func (w *world) token(args []string) (string, error) {
	incarnation, err1 := strconv.ParseUint(args[0], 10, 64)
	position, err2 := strconv.ParseUint(args[1], 10, 64)
	if err1 != nil || err2 != nil {
		return "", fmt.Errorf("token INCARNATION POSITION: %w, %w", err1, err2)
	}
	m := mainstem.Mark{Incarnation: mainstem.Incarnation(incarnation), Position: mainstem.Position(position)}
	if place, ok, err := PlaceOf(w.rows, m.Position); err != nil {
		return "", err
	} else if ok {
		m.Hash = shortHash(place.Head.Hash)
	}
	if len(args) > 2 { // of another history
		m.Hash++
	}
	ahead, err := w.tail.Has(w.rows, m)
	if err != nil {
		return "", err
	}
	if ahead {
		return "ahead of the tail\n", nil
	}
	return "this history has it\n", nil
}
