package state

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// words are one line of a conversation: words in order, and key=value ones.
type words struct {
	line  string
	rest  []string
	named map[string]string
	err   error
}

func split(line string) *words {
	w := &words{line: line, named: map[string]string{}}
	for _, word := range strings.Fields(line) {
		if key, value, ok := strings.Cut(word, "="); ok {
			w.named[key] = value
		} else {
			w.rest = append(w.rest, word)
		}
	}
	return w
}

func (w *words) fail(what string) {
	if w.err == nil {
		w.err = fmt.Errorf("%q: %s", w.line, what)
	}
}

func (w *words) next() string {
	if len(w.rest) == 0 {
		w.fail("a word is missing")
		return ""
	}
	word := w.rest[0]
	w.rest = w.rest[1:]
	return word
}

func (w *words) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		w.fail(text + " is no number")
	}
	return n
}

func (w *words) duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		w.fail(text + " is no duration")
	}
	return d
}

func (w *words) bound(key string) *int64 {
	text, ok := w.named[key]
	if !ok {
		return nil
	}
	n := w.number(text)
	return &n
}

// value is bytes, or with # a counter.
func (w *words) value() mainstem.Value {
	word := w.next()
	if number, ok := strings.CutPrefix(word, "#"); ok {
		return mainstem.Int(w.number(number))
	}
	return mainstem.Bytes([]byte(word))
}

// span is FROM..TO; .. alone is everything.
func (w *words) span() (from, to string) {
	from, to, ok := strings.Cut(w.next(), "..")
	if !ok {
		w.fail("a range is FROM..TO")
	}
	return from, to
}

func (w *words) events() (events []mainstem.Event) {
	for len(w.rest) > 0 {
		kind, data, _ := strings.Cut(w.next(), ":")
		events = append(events, mainstem.Event{Type: kind, Data: []byte(data)})
	}
	return events
}

func parseTransactions(input string) ([]*mainstem.Transaction, error) {
	var all []*mainstem.Transaction
	for _, line := range strings.Split(input, "\n") {
		w := split(line)
		if len(w.rest) == 0 {
			continue
		}
		verb := w.next()
		if verb == "txn" {
			all = append(all, w.transaction())
		} else if len(all) == 0 {
			w.fail("a transaction begins with txn")
		} else if t := all[len(all)-1]; verb == "if" {
			t.Conditions = append(t.Conditions, w.condition())
		} else {
			t.Operations = append(t.Operations, w.operation(verb))
		}
		if w.err == nil && len(w.rest) > 0 {
			w.fail("words are left over")
		}
		if w.err != nil {
			return nil, w.err
		}
	}
	return all, nil
}

func (w *words) transaction() *mainstem.Transaction {
	t := &mainstem.Transaction{Group: w.next(), ID: w.id()}
	for len(w.rest) > 0 {
		switch flag := w.next(); flag {
		case "networked":
			t.Networked = true
		case "refused":
			t.Refused = true
		default:
			w.fail(flag + " is no flag of a transaction")
		}
	}
	if text, ok := w.named["attempt"]; ok {
		t.Attempt = uint32(w.number(text))
	}
	if text, ok := w.named["reply"]; ok {
		t.Reply = []byte(text)
	}
	if text, ok := w.named["as"]; ok {
		t.Fingerprint = []byte(text)
	}
	t.Deadline = mainstem.LogAge(w.duration(w.named["before"]))
	return t
}

// id is the caller's own, or ~SESSION.NUMBER with low=.
func (w *words) id() mainstem.ID {
	text := w.next()
	made, ok := strings.CutPrefix(text, "~")
	if !ok {
		return mainstem.ID{Opaque: text, Born: mainstem.LogAge(w.duration(w.named["born"]))}
	}
	session, number, _ := strings.Cut(made, ".")
	id := mainstem.ID{Session: mainstem.SessionID{byte(w.number(session))}, Number: uint64(w.number(number)), Low: 1}
	id.Born = mainstem.LogAge(w.duration(w.named["born"]))
	if low, ok := w.named["low"]; ok {
		id.Low = uint64(w.number(low))
	}
	return id
}

func (w *words) condition() mainstem.Condition {
	position := func() mainstem.Position { return mainstem.Position(w.number(w.named["since"])) }
	switch kind := w.next(); kind {
	case "absent":
		return mainstem.KeyAbsent{Name: w.next()}
	case "unchanged":
		return mainstem.KeyUnchanged{Name: w.next(), Since: position()}
	case "equals":
		return mainstem.KeyEquals{Name: w.next(), Value: w.value()}
	case "length":
		return mainstem.StreamLength{Stream: w.next(), Length: uint64(w.number(w.next()))}
	case "range":
		from, to := w.span()
		return mainstem.RangeUnchanged{From: from, To: to, Since: position()}
	case "streams":
		from, to := w.span()
		return mainstem.StreamsUnchanged{From: from, To: to, Since: position()}
	case "held":
		return mainstem.LeaseHeld{Lease: w.next(), Token: mainstem.FencingToken(w.number(w.next()))}
	case "committed":
		return mainstem.Committed{ID: w.next()}
	default:
		w.fail(kind + " is no condition")
		return nil
	}
}

func (w *words) operation(verb string) mainstem.Operation {
	token := func() mainstem.FencingToken { return mainstem.FencingToken(w.number(w.next())) }
	switch verb {
	case "put":
		return mainstem.Put{Name: w.next(), Value: w.value(), TTL: w.duration(w.named["ttl"])}
	case "delete":
		return mainstem.Delete{Name: w.next()}
	case "add":
		return mainstem.Add{Name: w.next(), Delta: w.number(w.next()), Floor: w.bound("floor"), Ceiling: w.bound("ceiling")}
	case "append":
		return mainstem.Append{Stream: w.next(), Events: w.events()}
	case "acquire":
		return mainstem.Acquire{Lease: w.next(), Owner: w.next(), TTL: w.duration(w.next())}
	case "renew":
		return mainstem.Renew{Lease: w.next(), Token: token(), TTL: w.duration(w.next())}
	case "release":
		return mainstem.Release{Lease: w.next(), Token: token()}
	case "emit":
		topic := w.next()
		kind, data, _ := strings.Cut(w.next(), ":")
		return mainstem.Emit{Topic: topic, Event: mainstem.Event{Type: kind, Data: []byte(data)}}
	case "void":
		return mainstem.Void{ID: w.next()}
	case "present":
		return mainstem.Present{Lease: w.next(), Token: token()}
	default:
		w.fail(verb + " is no operation")
		return nil
	}
}

// question is a query in words.
func question(command string, args []string) (mainstem.Query, error) {
	w := &words{line: command + " " + strings.Join(args, " "), rest: args}
	kinds := map[string]mainstem.QueryKind{
		"get": mainstem.QueryGet, "scan": mainstem.QueryScan, "versions": mainstem.QueryHistory, "events": mainstem.QueryEvents,
		"streams": mainstem.QueryStreams, "groups": mainstem.QueryGroups, "lease": mainstem.QueryLease, "receipt": mainstem.QueryID,
	}
	q := mainstem.Query{Kind: kinds[command]}
	switch command {
	case "groups":
	case "get", "versions", "lease", "receipt", "events":
		q.Group, q.Name = w.next(), w.next()
		if len(w.rest) > 0 {
			q.After = uint64(w.number(w.next()))
		}
	case "scan", "streams":
		q.Group = w.next()
		q.Name, q.To = w.span()
	default:
		w.fail("no such command")
	}
	return q, w.err
}

// ask asks a question and tells the answer.
func ask(r *Reading, command string, args []string) (string, error) {
	q, err := question(command, args)
	if err != nil {
		return "", err
	}
	a, err := r.Answer(q)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range a.Versions {
		fmt.Fprintf(&b, "%s at %s = %s\n", v.Name, v.Position, versionText(v))
	}
	for _, e := range a.Events {
		fmt.Fprintf(&b, "%d at %s = %s:%s\n", e.Number, e.Position, e.Type, e.Data)
	}
	for _, name := range a.Names {
		fmt.Fprintf(&b, "%s\n", name)
	}
	switch {
	case a.Lease.Token > 0:
		fmt.Fprintf(&b, "%s, token %d, until %s, released %t\n", a.Lease.Owner, a.Lease.Token, a.Lease.Until, a.Lease.Released)
	case a.Receipt != nil:
		fmt.Fprintf(&b, "%s\n", receiptText(a.Receipt))
	case q.Kind == mainstem.QueryEvents:
		fmt.Fprintf(&b, "length %d\n", a.Length)
	}
	if b.Len() == 0 {
		return "nothing\n", nil
	}
	return b.String(), nil
}
