package wire

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// carried is m after a journey.
func carried[M proto.Message](t *rapid.T, m M, empty M) M {
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatalf("%v cannot be written: %v", m, err)
	}
	if err := proto.Unmarshal(raw, empty); err != nil {
		t.Fatal(err)
	}
	return empty
}

func same(t *rapid.T, what string, sent, got any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s %+v cannot be read: %v", what, sent, err)
	}
	if !reflect.DeepEqual(sent, got) {
		t.Fatalf("%s was sent as\n%+v\nand arrived as\n%+v", what, sent, got)
	}
}

func TestTransactionArrivesAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawTransaction(t)
		got, err := ParseTransaction(carried(t, Transaction(sent), &pb.Transaction{}))
		same(t, "a transaction", sent, got, err)
	})
}

func TestReceiptArrivesAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawReceipt(t)
		got, err := ParseReceipt(carried(t, Receipt(sent, nil), &pb.Receipt{}))
		same(t, "a receipt", sent, got, err)
		got, err = ParseReceipt(carried(t, ShortReceipt(sent, nil), &pb.Receipt{}))
		same(t, "a short receipt", sent, got, err)
	})
	if r, err := ParseReceipt(Receipt(nil, nil)); r != nil || err != nil {
		t.Errorf("no receipt arrives as %v, %v", r, err)
	}
}

func TestAnswerArrivesAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawAnswer(t)
		got, err := ParseAnswer(carried(t, Answer(sent), &pb.Answer{}))
		same(t, "an answer", sent, got, err)
	})
}

func TestBatchArrivesAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := mainstem.Batch{
			Partition: int(rapid.Uint16().Draw(t, "partition")), Changes: list(t, "changes", drawChange),
			Token: drawToken(t), Head: mainstem.Position(drawUint(t, "head")),
		}
		got, err := ParseBatch(carried(t, Batch(sent), &pb.ChangesResponse{}))
		same(t, "a batch", sent, got, err)
	})
}

func TestReadArrivesAsSent(t *testing.T) {
	levels := []func(*rapid.T) mainstem.Consistency{
		func(*rapid.T) mainstem.Consistency { return mainstem.Latest() },
		func(*rapid.T) mainstem.Consistency { return mainstem.Local() },
		func(t *rapid.T) mainstem.Consistency { return mainstem.AtLeast(drawToken(t)) },
		func(t *rapid.T) mainstem.Consistency { return mainstem.Within(drawTTL(t)) },
		func(t *rapid.T) mainstem.Consistency {
			return mainstem.AsOf(mainstem.Position(drawUint(t, "position")))
		},
		func(t *rapid.T) mainstem.Consistency { return mainstem.AsOfTime(drawTime(t, "time").Add(1)) },
	}
	if len(levels) != int(mainstem.LevelLocal) {
		t.Errorf("%d levels are drawn, there are %d", len(levels), mainstem.LevelLocal)
	}
	rapid.Check(t, func(t *rapid.T) {
		sent := mainstem.ViewRequest{Group: drawText(t, "group"), At: oneOf(t, levels), ID: drawID(t), Fingerprint: drawBytes(t, "fingerprint")}
		if len(sent.Fingerprint) == 0 {
			sent.Fingerprint = nil // none and empty are the same request
		}
		got, err := ParseViewRequest(carried(t, ViewRequest(sent), &pb.ReadRequest{}))
		same(t, "a request for a view", sent, got, err)
		stamped := mainstem.Stamp{
			Token: drawToken(t), Position: mainstem.Position(drawUint(t, "position")), Age: mainstem.LogAge(drawInt(t, "age")),
			Wall: drawTime(t, "wall"), Staleness: time.Duration(drawInt(t, "staleness")), Attempt: rapid.Uint32().Draw(t, "attempt"),
		}
		stampGot, err := ParseStamp(carried(t, Stamp(stamped), &pb.Stamp{}))
		same(t, "a stamp", stamped, stampGot, err)
	})
}

// fields are those of Query that each kind uses, as its documentation has them.
var fields = map[mainstem.QueryKind]mainstem.Query{
	mainstem.QueryGet:     {Name: "n"},
	mainstem.QueryScan:    {Name: "n", To: "t", Max: 7},
	mainstem.QueryEvents:  {Name: "n", After: 9, Max: 7},
	mainstem.QueryStreams: {Name: "n", To: "t", Max: 7},
	mainstem.QueryLease:   {Name: "n"},
	mainstem.QueryID:      {Name: "n"},
	mainstem.QueryHistory: {Name: "n", Max: 7},
	mainstem.QueryGroups:  {Name: "n", Max: 7},
}

func TestQueryArrivesAsSent(t *testing.T) {
	if last := mainstem.QueryGroups; len(fields) != int(last) {
		t.Errorf("%d kinds of question are tried, there are %d", len(fields), last)
	}
	for kind, q := range fields {
		q.Kind, q.Group = kind, "g"
		got, err := ParseQuery(Query(q), "another")
		if err != nil || got != q {
			t.Errorf("%+v arrives as %+v, %v", q, got, err)
		}
		q.Group = ""
		if got, err := ParseQuery(Query(q), "of the view"); err != nil || got.Group != "of the view" {
			t.Errorf("without a group of its own, %+v arrives as %+v, %v", q, got, err)
		}
	}
}

func TestFromArrivesAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := mainstem.From{
			After: drawToken(t), Max: int(rapid.Int32Range(0, 1<<31-1).Draw(t, "max")), Drain: rapid.Bool().Draw(t, "drain"),
			Match: mainstem.Match{
				Groups:      list(t, "groups", func(t *rapid.T) string { return drawText(t, "group") }),
				GroupPrefix: drawText(t, "group prefix"), NamePrefix: drawText(t, "name prefix"),
				Kinds: list(t, "kinds", func(t *rapid.T) mainstem.EffectKind {
					return mainstem.EffectKind(rapid.Uint8Range(1, uint8(mainstem.EffectPresent)).Draw(t, "kind"))
				}),
				FirstSlot: rapid.Uint16Range(0, 9).Draw(t, "first"), EndSlot: rapid.Uint16Range(10, mainstem.Slots).Draw(t, "end"),
			},
		}
		got, err := ParseFrom(carried(t, From(sent), &pb.ChangesRequest{}))
		same(t, "what a feed is asked for", sent, got, err)
	})
}

// TestErrorsArriveExactly: code, message, condition and advice, for every code, in
// a message and at the end of an RPC.
func TestErrorsArriveExactly(t *testing.T) {
	for _, code := range mainstem.Codes() {
		if _, ok := statuses[code]; !ok {
			t.Errorf("%s has no status", code)
		}
		sent := &mainstem.Error{Code: code, Message: "what happened, é", Condition: 3, Advice: "what to do"}
		wrapped := fmt.Errorf("around it: %w", sent)
		for what, got := range map[string]*mainstem.Error{
			"in a message":         ParseError(Error(wrapped, mainstem.Undecided), mainstem.Undecided),
			"at the end of an RPC": Failure(Fail(wrapped, mainstem.Undecided), mainstem.Undecided),
		} {
			if !reflect.DeepEqual(got, sent) {
				t.Errorf("%s, %+v arrives as %+v", what, sent, got)
			}
		}
	}
	if got := ParseError(&pb.Error{Code: "from_the_future", Message: "m"}, mainstem.Unavailable); got.Code != mainstem.Unavailable || got.Message != "from_the_future: m" {
		t.Errorf("a code of a newer server arrives as %+v", got)
	}
	if got := Typed(errors.New("boom"), mainstem.Undecided); got.Code != mainstem.Undecided {
		t.Errorf("an error of nobody's has the code %s", got.Code)
	}
}

// TestEveryKindIsDrawn holds the generators to the closed sets as they are declared.
func TestEveryKindIsDrawn(t *testing.T) {
	for file, want := range map[string]struct {
		method string
		drawn  int
	}{"../../condition.go": {"condition", len(conditions)}, "../../operation.go": {"operation", len(operations)}} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		declared := 0
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == want.method {
				declared++
			}
		}
		if declared == 0 || declared != want.drawn {
			t.Errorf("%s declares %d kinds, the tests know %d", file, declared, want.drawn)
		}
	}
	for prefix, want := range map[string]struct {
		file  string
		drawn int
	}{
		"Query": {"../../mainstem.go", len(fields)}, "Level": {"../../consistency.go", int(mainstem.LevelLocal)},
		"Effect": {"../../effect.go", int(mainstem.EffectPresent)},
	} {
		if n := constants(t, want.file, prefix); n == 0 || n != want.drawn {
			t.Errorf("%s declares %d constants %s…, the tests know %d", want.file, n, prefix, want.drawn)
		}
	}
}

// constants counts those of a file whose names begin so.
func constants(t *testing.T, file, prefix string) (n int) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(name.Name, prefix) {
					n++
				}
			}
		}
	}
	return n
}

// TestWhatDoesNotFitIsRefused: the contract's durations hold more than a program's; one
// that is beyond is refused and not cut.
func TestWhatDoesNotFitIsRefused(t *testing.T) {
	longest := durationpb.New(math.MaxInt64)
	for _, c := range []struct {
		d    *durationpb.Duration
		fits bool
	}{
		{longest, true},
		{durationpb.New(math.MinInt64), true}, // and is below 0, which is Validate's business
		{&durationpb.Duration{Seconds: longest.Seconds, Nanos: longest.Nanos + 1}, false},
		{&durationpb.Duration{Seconds: longest.Seconds + 1}, false},
		{&durationpb.Duration{Seconds: 315_576_000_000}, false}, // the longest that the contract has
		{&durationpb.Duration{Seconds: -longest.Seconds - 1}, false},
		{&durationpb.Duration{Seconds: 1, Nanos: -1}, false},
		{&durationpb.Duration{Nanos: 1_000_000_000}, false},
	} {
		for _, o := range []*pb.Operation{
			{Operation: &pb.Operation_Put{Put: &pb.Put{Name: "k", Held: &pb.Put_Counter{}, Ttl: c.d}}},
			{Operation: &pb.Operation_Acquire{Acquire: &pb.Acquire{Lease: "l", Owner: "o", Ttl: c.d}}},
			{Operation: &pb.Operation_Renew{Renew: &pb.Renew{Lease: "l", Token: 1, Ttl: c.d}}},
		} {
			_, err := ParseTransaction(&pb.Transaction{Group: "g", Id: "i", Operations: []*pb.Operation{o}})
			if (err == nil) != c.fits || err != nil && mainstem.CodeOf(err) != mainstem.Invalid {
				t.Errorf("%v: %v", o, err)
			}
		}
		_, err := ParseViewRequest(&pb.ReadRequest{Group: "g", At: &pb.Consistency{Level: &pb.Consistency_Within{Within: c.d}}})
		if (err == nil) != c.fits || err != nil && mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("within %v: %v", c.d, err)
		}
	}
}

// TestErrorsNameTheirPart: an error about a condition or an operation says which one, and
// there are LimitOperations of both together.
func TestErrorsNameTheirPart(t *testing.T) {
	good := &pb.Condition{Condition: &pb.Condition_KeyAbsent{KeyAbsent: &pb.Named{Name: "k"}}}
	run := &pb.Operation{Operation: &pb.Operation_Delete{Delete: &pb.Named{Name: "k"}}}
	for want, m := range map[int]*pb.Transaction{
		2: {Conditions: []*pb.Condition{good, {}}, Operations: []*pb.Operation{run}},
		4: {Conditions: []*pb.Condition{good, good}, Operations: []*pb.Operation{run, {}}},
		1: {Operations: []*pb.Operation{{}}},
	} {
		m.Group, m.Id = "g", "i"
		_, err := ParseTransaction(m)
		var e *mainstem.Error
		if !errors.As(err, &e) || e.Code != mainstem.Invalid || e.Condition != want {
			t.Errorf("%v: %v about %d", m, err, e.Condition)
		}
	}
	for extra, want := range map[int]mainstem.Code{0: 0, 1: mainstem.TooLarge} {
		m := &pb.Transaction{Group: "g", Id: "i", Conditions: []*pb.Condition{good, good}}
		for range mainstem.LimitOperations - 2 + extra {
			m.Operations = append(m.Operations, run)
		}
		if _, err := ParseTransaction(m); mainstem.CodeOf(err) != want {
			t.Errorf("%d beyond the limit: %v", extra, err)
		}
	}
}

// TestHalfARequestIsRefused: a consistency that is named and not meant, and less than
// nothing of an answer (L8).
func TestHalfARequestIsRefused(t *testing.T) {
	for _, at := range []*pb.Consistency{nil, {}, {Level: &pb.Consistency_Latest{}}, {Level: &pb.Consistency_Local{}}, {Level: &pb.Consistency_AtLeast{AtLeast: "nonsense"}}} {
		if _, err := ParseViewRequest(&pb.ReadRequest{Group: "g", At: at}); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("at %v: %v", at, err)
		}
	}
	for _, q := range []*pb.Query{
		nil,
		{},
		{Query: &pb.Query_Scan{Scan: &pb.RangeQuery{Max: -1}}},
		{Query: &pb.Query_Streams{Streams: &pb.RangeQuery{Max: -1}}},
		{Query: &pb.Query_Events{Events: &pb.EventsQuery{Stream: "s", Max: -1}}},
		{Query: &pb.Query_History{History: &pb.HistoryQuery{Name: "k", Max: -1}}},
		{Query: &pb.Query_Groups{Groups: &pb.GroupsQuery{Max: -1}}},
	} {
		if _, err := ParseQuery(q, "g"); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("question %v: %v", q, err)
		}
	}
}
