package pg_test

import (
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestSource: names within the bounds, and IDs that no other source can give: none
// has a full stop in it, which would hide a time in a signed text.
func TestSource(t *testing.T) {
	long := strings.Repeat("x", pg.LimitSource)
	for _, name := range []pg.Source{"a", "shop-EU_7", pg.Source(long)} {
		wantCode(t, name.Check(), 0)
	}
	for _, name := range []pg.Source{"", "a.b", "a b", "a/b", "é", "a\n", "%"} {
		wantCode(t, name.Check(), mainstem.Invalid)
	}
	wantCode(t, pg.Source(long+"x").Check(), mainstem.TooLarge)
	if got := pg.Source("a-1").ID(2); got != "a-1-2" {
		t.Errorf("the ID is %s", got)
	}
}
