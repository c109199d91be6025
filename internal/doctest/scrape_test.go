package doctest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/remote"
)

// absent are metrics that a server has only when something is wrong.
var absent = map[string]bool{"mainstem_partition_stopped": true}

// TestServerHasWhatIsWatched: every metric that the dashboard draws and the alerts ask
// for is one that mainstem serve has to show, once clients write, read and follow.
func TestServerHasWhatIsWatched(t *testing.T) {
	t.Parallel()
	address, metrics := watchedServer(t)
	used(t, address)
	response, err := http.Get(metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deploy/grafana/mainstem-node.json", "deploy/prometheus/mainstem-node.rules.yml"} {
		for _, problem := range notShown(name, deployed(t, name), string(text)) {
			t.Error(problem)
		}
	}
	if promtool, err := exec.LookPath("promtool"); err != nil {
		t.Log("not run: no promtool, which reads what a server shows as Prometheus does")
	} else {
		check := exec.Command(promtool, "check", "metrics", "--extended")
		check.Stdin = strings.NewReader(string(text))
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
}

// notShown are the metrics that a text names and a scrape does not have.
func notShown(name, text, scrape string) (problems []string) {
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[ {]`).FindAllStringSubmatch(scrape, -1) {
		there[m[1]] = true
	}
	seen := map[string]bool{}
	for _, m := range metricName.FindAllString(text, -1) {
		if !there[m] && !seen[m] && !absent[m] {
			problems = append(problems, name+" asks for "+m+", which mainstem serve does not show")
		}
		seen[m] = true
	}
	return problems
}

// watchedServer starts a server with metrics and returns its addresses.
func watchedServer(t *testing.T) (address, metrics string) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin+"/mainstem", "serve", "--json", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
		"--snapshots", "dir://"+t.TempDir(), "--archive", "dir://"+t.TempDir())
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // how it ended is below
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	var said struct{ Address, Metrics string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil || said.Metrics == "" {
		t.Fatalf("the server said %+v: %v", said, err)
	}
	return said.Address, said.Metrics
}

// used writes, reads and follows, until a follower has had a change.
func used(t *testing.T, address string) {
	t.Helper()
	db, err := remote.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	orders := db.Group("orders")
	if _, err := orders.Do(ctx, "order-7", func(tx *mainstem.Txn) error { tx.Put("order-7", []byte("placed")); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Get(ctx, "order-7", mainstem.Latest()); err != nil {
		t.Fatal(err)
	}
	following, delivered := context.WithCancel(ctx)
	err = db.Follow(following, "mail", mainstem.Match{Groups: []string{"orders"}}, func(context.Context, *mainstem.Txn, []mainstem.Change) error {
		delivered()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestServerHasWhatIsWatchedGoesRed(t *testing.T) {
	problems := notShown("x", "rate(mainstem_a_total[5m]) mainstem_b_bucket mainstem_c mainstem_c mainstem_partition_stopped",
		"# TYPE mainstem_c gauge\nmainstem_a_total{x=\"y\"} 1\nmainstem_b_bucket{le=\"1\"} 1\nmainstem_b_sum 1\n")
	if len(problems) != 1 || !strings.Contains(problems[0], "mainstem_c,") {
		t.Errorf("%q", problems)
	}
}
