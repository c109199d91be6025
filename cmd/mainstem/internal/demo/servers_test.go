package demo

import (
	"context"
	"testing"
)

// TestServersThatDoNotStart: a cluster whose servers cannot be started says so, and
// leaves nothing behind.
func TestServersThatDoNotStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, engine := range []string{"postgres", "jetstream"} {
		w := &world{config: Config{Cluster: engine, Cuts: "proxies"}, dir: t.TempDir()}
		if c, err := w.cluster(ctx, "nothing", t.TempDir()); err == nil || c != nil {
			t.Errorf("%s: %v, %v; want an error alone", engine, c, err)
		}
	}
}
