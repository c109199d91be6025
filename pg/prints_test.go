package pg

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestPrintsAreNumbered: whoever changes the SQL gives it a new number, or programs of
// before and after call each other's schema wrong, and not older or newer.
func TestPrintsAreNumbered(t *testing.T) {
	text, err := os.ReadFile("testdata/prints")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		if number, _, _ := strings.Cut(line, " "); number != fmt.Sprint(i+1) {
			t.Errorf("line %d of testdata/prints is that of print %s", i+1, number)
		}
	}
	if last, want := lines[len(lines)-1], fmt.Sprint(printNumber, " ", hash()); last != want {
		t.Errorf("the SQL was changed, or its number: raise printNumber in schema.go by one and add a line to testdata/prints\nlast line %s\nit would be %s", last, want)
	}
}
