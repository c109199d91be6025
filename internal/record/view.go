package record

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// View is a record as the inspector shows it: made for encoding/json, with
// numbers of 64 bits as strings, because JavaScript's end at 2^53, and bytes
// as text where they are text.
func View(r *Record) any {
	v := view{
		headerView:   viewHeader(&r.Header),
		Transactions: make([]transactionView, len(r.Transactions)),
	}
	for i := range r.Transactions {
		v.Transactions[i] = viewTransaction(r.First+mainstem.Position(i), &r.Transactions[i])
	}
	return v
}

// ViewHeader is View of a header alone, as Peek returns it.
func ViewHeader(h *Header) any { return viewHeader(h) }

type view struct {
	headerView
	Transactions []transactionView `json:"transactions"`
}

type headerView struct {
	Version     uint8                `json:"version"`
	Index       number               `json:"index"`
	PrevHash    string               `json:"prev_hash,omitempty"`
	Database    string               `json:"database,omitempty"`
	Generation  string               `json:"generation,omitempty"`
	Incarnation mainstem.Incarnation `json:"incarnation"`
	Partition   uint32               `json:"partition"`
	Node        string               `json:"node,omitempty"`
	First       mainstem.Position    `json:"first"`
	Count       uint32               `json:"count"`
	Age         mainstem.LogAge      `json:"age"`
	Wall        time.Time            `json:"wall"`
	Boot        string               `json:"boot,omitempty"`
	BootTime    signed               `json:"boot_time"`
	Leap        signed               `json:"leap,omitempty"`
	Genesis     *genesisView         `json:"genesis,omitempty"`
	Settings    *settingsView        `json:"settings,omitempty"`
	Checkpoint  *checkpointView      `json:"checkpoint,omitempty"`
	Refusals    []attemptView        `json:"refusals,omitempty"`
	Restored    bool                 `json:"restored,omitempty"`
	Member      *Member              `json:"member,omitempty"`
	Vote        *voteView            `json:"vote,omitempty"`
	Prepare     *targetView          `json:"prepare,omitempty"`
	Moved       *targetView          `json:"moved,omitempty"`
	Successor   string               `json:"successor,omitempty"`
}

type (
	number uint64
	signed int64
)

// MarshalText writes the number in decimal.
func (n number) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(n), 10), nil }

// MarshalText writes the number in decimal.
func (n signed) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(n), 10), nil }

type genesisView struct {
	Partitions uint32    `json:"partitions"`
	SlotEnds   []uint16  `json:"slot_ends"`
	Created    time.Time `json:"created"`
	After      number    `json:"after,omitempty"`
}

type settingsView struct {
	IDAge   signed     `json:"id_age"`
	History []keepView `json:"history,omitempty"`
	Retain  signed     `json:"retain,omitempty"`
}

type keepView struct {
	Group  string `json:"group,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Age    signed `json:"age"`
}

type checkpointView struct {
	Settled  number              `json:"settled,omitempty"`
	Range    uint8               `json:"range"`
	Digest   string              `json:"digest,omitempty"`
	Next     uint8               `json:"next"`
	Horizons []mainstem.Position `json:"horizons,omitempty"`
}

type voteView struct {
	Settled number `json:"settled"`
	Range   uint8  `json:"range"`
	Digest  string `json:"digest"`
}

type targetView struct {
	Generation string `json:"generation"`
	URL        string `json:"url"`
	Base       number `json:"base,omitempty"`
	BaseHash   string `json:"base_hash,omitempty"`
	Pace       signed `json:"pace,omitempty"`
}

type attemptView struct {
	Group   string          `json:"group"`
	ID      string          `json:"id"`
	Born    mainstem.LogAge `json:"born,omitempty"`
	Low     number          `json:"low,omitempty"`
	Attempt uint32          `json:"attempt,omitempty"`
}

func viewHeader(h *Header) headerView {
	v := headerView{
		Version: h.Version, Successor: h.Successor, Index: number(h.Index), PrevHash: hexOf(h.PrevHash[:]), Database: hexOf(h.Database[:]),
		Generation: hexOf(h.Generation[:]), Incarnation: h.Incarnation, Partition: h.Partition,
		Node: h.Node, First: h.First, Count: h.Count, Age: h.Age, Wall: time.Unix(0, h.Wall).UTC(),
		Boot: hexOf(h.Boot[:]), BootTime: signed(h.BootTime), Leap: signed(h.Leap), Restored: h.Restored,
	}
	if g := h.Genesis; g != nil {
		v.Genesis = &genesisView{g.Partitions, g.SlotEnds, time.Unix(0, g.Created).UTC(), number(g.After)}
	}
	if s := h.Settings; s != nil {
		v.Settings = &settingsView{IDAge: signed(s.IDAge), Retain: signed(s.Retain)}
		for _, k := range s.History {
			v.Settings.History = append(v.Settings.History, keepView{k.Group, k.Prefix, signed(k.Age)})
		}
	}
	if c := h.Checkpoint; c != nil {
		v.Checkpoint = &checkpointView{number(c.Settled), c.Range, hexOf(c.Digest[:]), c.Next, c.Horizons}
	}
	v.Member = h.Member
	if h.Vote != nil {
		v.Vote = &voteView{number(h.Vote.Settled), h.Vote.Range, hexOf(h.Vote.Digest[:])}
	}
	v.Prepare, v.Moved = viewTarget(h.Prepare), viewTarget(h.Moved)
	for i := range h.Refusals {
		r := &h.Refusals[i]
		v.Refusals = append(v.Refusals, viewAttempt(r.Group, r.ID, r.Attempt))
	}
	return v
}

func viewTarget(t *Target) *targetView {
	if t == nil {
		return nil
	}
	return &targetView{hexOf(t.Generation[:]), t.URL, number(t.Base), hexOf(t.BaseHash[:]), signed(t.Pace)}
}

func viewAttempt(group string, id mainstem.ID, attempt uint32) attemptView {
	return attemptView{Group: group, ID: id.String(), Born: id.Born, Low: number(id.Low), Attempt: attempt}
}

// hexOf is bytes in hex, or nothing when they are all zero.
func hexOf(b []byte) string {
	for _, x := range b {
		if x != 0 {
			return hex.EncodeToString(b)
		}
	}
	return ""
}

type transactionView struct {
	Position    mainstem.Position `json:"position"`
	Undecodable bool              `json:"undecodable,omitempty"`
	attemptView
	Fingerprint string       `json:"fingerprint,omitempty"`
	Effects     []effectView `json:"effects,omitempty"`
	Results     []resultView `json:"results,omitempty"`
	Reply       *bytesView   `json:"reply,omitempty"`
	Refused     bool         `json:"refused,omitempty"`
	Actor       string       `json:"actor,omitempty"`
	Request     string       `json:"request,omitempty"`
	Trace       string       `json:"trace,omitempty"`
	Later       signed       `json:"later,omitempty"`
}

type effectView struct {
	Kind    mainstem.EffectKind   `json:"kind"`
	Name    string                `json:"name,omitempty"`
	Counter *signed               `json:"counter,omitempty"`
	Value   *bytesView            `json:"value,omitempty"`
	Delta   signed                `json:"delta,omitempty"`
	Events  []eventView           `json:"events,omitempty"`
	First   number                `json:"first,omitempty"`
	Token   mainstem.FencingToken `json:"token,omitempty"`
	Owner   string                `json:"owner,omitempty"`
	Until   mainstem.LogAge       `json:"until,omitempty"`
}

type eventView struct {
	Type string     `json:"type"`
	Data *bytesView `json:"data,omitempty"`
}

type resultView struct {
	Counter signed                `json:"counter,omitempty"`
	Length  number                `json:"length,omitempty"`
	Token   mainstem.FencingToken `json:"token,omitempty"`
}

// bytesView is text where the bytes are UTF-8, base64 otherwise.
type bytesView struct {
	Text   string `json:"text,omitempty"`
	Base64 string `json:"base64,omitempty"`
}

func viewBytes(b []byte) *bytesView {
	switch {
	case len(b) == 0:
		return nil
	case utf8.Valid(b):
		return &bytesView{Text: string(b)}
	default:
		return &bytesView{Base64: base64.StdEncoding.EncodeToString(b)}
	}
}

func viewTransaction(p mainstem.Position, t *Transaction) transactionView {
	v := transactionView{
		Position: p, Undecodable: t.Undecodable, attemptView: viewAttempt(t.Group, t.ID, t.Attempt),
		Fingerprint: hexOf(t.Fingerprint), Reply: viewBytes(t.Reply), Refused: t.Refused,
		Actor: t.Meta.Actor, Request: t.Meta.Request, Trace: t.Meta.Trace, Later: signed(t.Later),
	}
	for i := range t.Effects {
		v.Effects = append(v.Effects, viewEffect(&t.Effects[i]))
	}
	for _, r := range t.Results {
		v.Results = append(v.Results, resultView{signed(r.Counter), number(r.Length), r.Token})
	}
	return v
}

func viewEffect(e *mainstem.Effect) effectView {
	v := effectView{
		Kind: e.Kind, Name: e.Name, Value: viewBytes(e.Value.Bytes), Delta: signed(e.Delta),
		First: number(e.First), Token: e.Token, Owner: e.Owner, Until: e.Until,
	}
	if e.Value.Counter {
		n := signed(e.Value.Int)
		v.Counter = &n
	}
	for _, ev := range e.Events {
		v.Events = append(v.Events, eventView{ev.Type, viewBytes(ev.Data)})
	}
	return v
}
