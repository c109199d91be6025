package numbers

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/examples.txt anew")

// TestWorkedExamples: every example comes to the figures that are written down.
func TestWorkedExamples(t *testing.T) {
	const file = "testdata/examples.txt"
	var b strings.Builder
	for _, c := range All() {
		b.WriteString(c.Name)
		for _, in := range c.Inputs {
			fmt.Fprintf(&b, " %s=%q", in.Name, in.Example)
		}
		b.WriteString("\n")
		figures, err := c.Run(c.Example())
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, f := range figures {
			fmt.Fprintf(&b, "    %-48s %s\n", f.Name, f.Text)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got\n%s\nwant %s as it is; if the change is meant: go test -run Worked -update", got, file)
	}
}
