package mainstem_test

import (
	"encoding/json"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// Where a group lives is decided by this function for ever. The figures were
// computed by another program.
func TestSlotGolden(t *testing.T) {
	for group, want := range map[string]uint16{
		"": 3643, "order-42": 959, "a": 3241, "~follow/mailer/07": 2666, "größe": 3381,
	} {
		if got := mainstem.SlotOf(group); got != want {
			t.Errorf("SlotOf(%q) = %d, must stay %d", group, got, want)
		}
	}
}

func TestNumbersInJSONAreStrings(t *testing.T) {
	type all struct {
		P mainstem.Position
		I mainstem.Incarnation
		A mainstem.LogAge
		T mainstem.FencingToken
	}
	in := all{1<<64 - 1, 0xabc, -5, 1<<53 + 1}
	b, err := json.Marshal(in)
	const want = `{"P":"18446744073709551615","I":"0000000000000abc","A":"-5","T":"9007199254740993"}`
	if err != nil || string(b) != want {
		t.Fatalf("%s, %v, must be %s", b, err, want)
	}
	var out all
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, bad := range []string{`{"P":"-1"}`, `{"I":"x"}`, `{"A":"1s"}`, `{"T":"18446744073709551616"}`} {
		if err := json.Unmarshal([]byte(bad), &out); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s is read as %+v, %v, must be invalid", bad, out, err)
		}
	}
}
