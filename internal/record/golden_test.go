package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew; never for a format that was released")

// goldens are the records that testdata keeps, for good, by version and name.
func goldens() map[string]*Record {
	u := func(b byte) (u UUID) {
		for i := range u {
			u[i] = b + byte(i)
		}
		return u
	}
	genesis := &Record{Header: Header{
		Version: 1, Index: 1, Database: u(1), Generation: u(33), Incarnation: 0x1122334455667788, Node: "db-0:7171", First: 1,
		Wall: 1_700_000_000_000_000_000, Boot: u(65), BootTime: 12_345_678,
		Genesis:  &Genesis{Partitions: 2, SlotEnds: []uint16{2048, 4096}, Created: 1_700_000_000_000_000_000},
		Settings: &Settings{IDAge: 86_400e9, History: []Keep{{Age: 600e9}, {Group: "orders", Prefix: "o/", Age: 3600e9}}},
	}}
	taken := &Record{Header: Header{
		Version: 1, Index: 1, Database: u(1), Generation: u(33), Incarnation: 0x1122334455667788, Node: "takeover", First: 1_000_001, Age: 1,
		Genesis: &Genesis{Partitions: 1, SlotEnds: []uint16{4096}, Created: 1_700_000_000_000_000_000, After: 1_000_000},
	}}
	until := mainstem.LogAge(90e9)
	busy := &Record{Header: Header{
		Version: 1, Index: 300, PrevHash: journal.Sum([]byte("299")), Database: u(1), Generation: u(33), Incarnation: 0x1122334455667788,
		Partition: 1, Node: "db-0:7171", First: 1000, Count: 3, Age: 60e9, Wall: 1_700_000_060_000_000_000,
		Boot: u(65), BootTime: 72_345_678, Leap: 5,
		Checkpoint: &Checkpoint{Settled: 299, Range: 7, Digest: u(97), Next: 8, Horizons: []mainstem.Position{17, 0, 900}},
		Refusals:   []Refusal{{Group: "item-42", ID: mainstem.ID{Opaque: "order-6", Born: 59e9}, Attempt: 2}},
		Restored:   true,
	}, Transactions: []Transaction{
		{
			Group: "item-42", ID: mainstem.ID{Opaque: "order-7"}, Attempt: 1, Fingerprint: []byte{0xde, 0xad},
			Effects: []mainstem.Effect{
				{Kind: mainstem.EffectAdd, Name: "stock", Value: mainstem.Int(0), Delta: -1},
				{Kind: mainstem.EffectPut, Name: "order/7", Value: mainstem.Bytes([]byte("milk")), Until: until},
				{Kind: mainstem.EffectAppend, Name: "orders", First: 12, Events: []mainstem.Event{{Type: "placed", Data: []byte{0xff, 0}}, {Type: "paid"}}},
				{Kind: mainstem.EffectGrant, Name: "packer", Token: 1000, Owner: "worker-3", Until: until},
			},
			Results: []mainstem.Result{{}, {}, {Length: 13}, {Token: 1000}},
			Reply:   []byte(`{"left":0}`), Meta: mainstem.Meta{Actor: "anna", Request: "r-1", Trace: "00-abc"},
		},
		{Group: "item-42", ID: mainstem.ID{Session: mainstem.SessionID(u(129)), Number: 9, Low: 4}, Attempt: 2, Refused: true, Reply: []byte("sold out"), Later: 1500000},
		{Group: "item-43", Effects: []mainstem.Effect{{Kind: mainstem.EffectExpire, Name: "order/1"}}},
	}}
	confirm := &Record{Header: Header{Version: 1, Index: 301, PrevHash: journal.Sum([]byte("300")), First: 1003, Age: 61e9}}
	moved := &Record{Header: Header{
		Version: 1, Index: 302, PrevHash: journal.Sum([]byte("301")), First: 1003, Age: 62e9, Node: "a",
		Member:  &Member{Address: "http://db-0:7271", Flushed: 299, Reaches: u(161)},
		Prepare: &Target{Generation: u(161), URL: "postgres://node@db1/shop", Pace: 2_000_000},
		Moved:   &Target{Generation: u(161), URL: "postgres://node@db1/shop", Base: 17, BaseHash: journal.Sum([]byte("17"))},
	}}
	all := map[string]*Record{"1-genesis": genesis, "1-taken": taken, "1-busy": busy, "1-confirm": confirm, "1-moved": moved}
	if Newest >= 2 {
		handover := *busy
		handover.Version, handover.Index, handover.PrevHash, handover.Node = 2, 302, journal.Sum([]byte("301")), "db-0"
		handover.Checkpoint, handover.Refusals, handover.Restored, handover.Leap = nil, nil, false, 0
		handover.Member = &Member{Address: "https://db-0:7271", Zone: "eu-1", Version: "v1.2.3", Newest: 2, Flushed: 17}
		handover.Successor = "db-1"
		all["2-handover"] = &handover
	}
	return all
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hexLines is hex in lines of 32 bytes.
func hexLines(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(32, len(b))
		out.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	for name, r := range goldens() {
		b, err := Encode(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := json.MarshalIndent(View(r), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, '\n')
		base := filepath.Join("testdata", name)
		if *rewrite {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(base+".hex", []byte(hexLines(b)), 0o644),
				os.WriteFile(base+".json", shown, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		kept := golden(t, name)
		if !bytes.Equal(b, kept) {
			t.Errorf("%s: the format has changed:\n%swas\n%s", name, hexLines(b), hexLines(kept))
		}
		got, err := Decode(kept)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := json.MarshalIndent(View(got), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(base + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if string(again)+"\n" != string(want) {
			t.Errorf("%s: the view has changed:\n%s", name, again)
		}
	}
}

// TestDamage flips every bit of every golden record and cuts it at every
// byte: each is found, by Decode and by Peek (L12).
func TestDamage(t *testing.T) {
	for name := range goldens() {
		good := golden(t, name)
		refused := func(b []byte, what string, at int) {
			t.Helper()
			if _, err := Decode(b); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("%s: Decode with %s %d: %v (L12)", name, what, at, err)
			}
			if _, err := Peek(b); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("%s: Peek with %s %d: %v (L12)", name, what, at, err)
			}
		}
		for bit := range 8 * len(good) {
			b := bytes.Clone(good)
			b[bit/8] ^= 1 << (bit % 8)
			refused(b, "flipped bit", bit)
		}
		for n := range good {
			refused(good[:n:n], "length", n)
		}
		refused(append(bytes.Clone(good), 0), "length", len(good)+1)
	}
}
