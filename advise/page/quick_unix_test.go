//go:build unix

package page

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// spent is the processor time of this process, which other work on the machine does not lengthen.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestQuick: from a description to a page takes less than 200 ms, for the worked workload that has
// the most to say, and for one with as many operations, reads and views as there may be.
func TestQuick(t *testing.T) {
	payments, err := os.ReadFile("../../examples/workloads/payments.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("consistency: {strong: yes, coordination_bearable: yes}\nfailure: {components_fail: yes, outcome_unknown: yes}\narchitecture: {stores: [{engine: postgresql}]}\n")
	for _, list := range []struct{ name, element string }{
		{"operations", "{name: do %d, kind: decide, key: k%[1]d, event: thing done, partitionable: yes, rate: 10/s, hottest_key: 20 %%}"},
		{"reads", "{name: read %d, shape: point, staleness: 1 s}"},
		{"derived", "{name: view %d, kind: view, staleness: 1 s}"},
	} {
		b.WriteString(list.name + ":\n")
		for i := range workload.LimitElements {
			fmt.Fprintf(&b, "  - "+list.element+"\n", i)
		}
	}
	for name, text := range map[string]string{"payments": string(payments), "the largest": b.String()} {
		for form, write := range map[string]func(*advise.Answer) (string, error){"HTML": HTML, "Markdown": Markdown} {
			best, size := time.Hour, 0
			for range 5 { // the quickest: garbage of the one before is collected in some
				began := spent(t)
				w, err := workload.Decode([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				page, err := write(advise.Advise(w))
				if err != nil {
					t.Fatal(err)
				}
				size = len(page)
				best = min(best, spent(t)-began)
			}
			if best > 200*time.Millisecond {
				t.Errorf("%s: %s for %d bytes of %s", name, best, size, form)
			}
			t.Logf("%s: %s for %d bytes of %s", name, best, size, form)
		}
	}
}
