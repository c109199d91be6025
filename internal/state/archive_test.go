package state

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestWindowsAreForgottenAtTheirEnd: a window goes as soon as the horizon has
// reached its newest position, and no sooner: at the position before, what the
// key was then is still in it.
func TestWindowsAreForgottenAtTheirEnd(t *testing.T) {
	rows, prefix := mapRows{}, nameKey(kindKey, "g", "k")
	for p := range mainstem.Position(3) {
		rows[string(versionKey(prefix, p+1))] = string(written(mainstem.Int(int64(p+1)), 0))
	}
	rows.archive(0, 3)
	for horizon := mainstem.Position(1); horizon <= 4; horizon++ {
		rows.apply([]Write{forgetWindows(horizon)})
		for at := horizon; at <= 3; at++ {
			if v, err := newest(rows, "g", "k", at); err != nil || v.Position != at {
				t.Errorf("horizon %d: at position %d the key was of position %d, %v", horizon, at, v.Position, err)
			}
		}
		if left := len(rows) - 1; (left > 0) != (horizon < 3) {
			t.Errorf("horizon %d: %d packs are left in a window that ends at 3", horizon, left)
		}
	}
}
