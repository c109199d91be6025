package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
)

// TestDiary: each stretch of a soak has its own rate, and the last one is there, too.
func TestDiary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{dir: t.TempDir(), slice: 3 * time.Second, now: load.NewRecorder(), busy: load.NewLatencies(), quiet: load.NewLatencies()}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			d.write(stop)
		}()
		synctest.Wait()
		for second := range 9 {
			for range (1 + second/3) * 10 {
				d.record(0, time.Millisecond)
			}
			if second == 4 {
				if err := os.WriteFile(filepath.Join(d.dir, "000001.sst"), []byte("a table"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		close(stop)
		<-done
		if !slices.Equal(d.slices, []float64{10, 20, 30}) || d.busy.Count() != 20 || d.quiet.Count() != 160 {
			t.Errorf("slices %v, %d answers while tables changed and %d otherwise", d.slices, d.busy.Count(), d.quiet.Count())
		}
	})
}
