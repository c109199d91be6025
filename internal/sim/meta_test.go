package sim

import (
	"strings"
	"testing"
)

// TestEveryConfigurationAnswersAlike runs random lists on every configuration
// and on the model, and wants the same results, codes, contents and feed.
func TestEveryConfigurationAnswersAlike(t *testing.T) {
	for _, c := range configurations {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			rounds, length := 200/c.partitions+4, 150
			if c.onFiles || c.wire {
				rounds = 12
			}
			if c.always {
				rounds, length = 3, 30
			}
			Rounds(t, rounds, func(t *testing.T, seed uint64) { c.compare(t, seed, length) })
		})
	}
}

// compare runs one list, and shrinks it when the answers differ.
func (c configuration) compare(t *testing.T, seed uint64, length int) {
	t.Helper()
	list := Generate(Rand(seed), length)
	if c.always {
		list = withRestarts(list)
	}
	differs := func(list List) string {
		got := Run(t.Context(), c.start(t), list)
		for _, line := range got {
			if strings.Contains(line, "WRONG") {
				return line
			}
		}
		return Difference(Run(t.Context(), c.model(), list), got)
	}
	first := differs(list)
	if first == "" {
		return
	}
	short := Shrink(list, 200, func(l List) bool { return differs(l) != "" })
	t.Errorf("%s: the model and the product differ:\n%s\nand (nothing here: it does not repeat) %s\nafter these operations:\n%s",
		c.name, first, differs(short), short)
}

// withRestarts puts a restart between any two operations.
func withRestarts(list List) List {
	var l List
	for _, op := range list {
		l = append(l, op, Op{Number: -op.Number, Do: Restart{}})
	}
	return l
}
