//go:build unix

package cli_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/s3server"
)

// TestBackupInABucket: a server keeps snapshots and an archive in a bucket, and its last
// write comes back from there into an empty directory; keys come from the environment
// and are shown nowhere.
func TestBackupInABucket(t *testing.T) {
	t.Parallel()
	bucket := s3server.Start(t)
	dir := t.TempDir()
	keys := []string{"AWS_ACCESS_KEY_ID=" + s3server.Key, "AWS_SECRET_ACCESS_KEY=" + s3server.Secret}
	url := fmt.Sprintf("s3://%s/%s/shop?tls=off", bucket.Addr(), s3server.Bucket)
	run := func(args ...string) ran {
		t.Helper()
		return askingWith(t, keys, dir, "", args...)
	}
	want(t, dir, 0, "", "put", "shop/stock", "0", "--dir", "a")
	if got := run("snapshot", "--to", url, "--dir", "a"); got.code != 0 {
		t.Fatalf("a snapshot: %+v", got)
	}
	s := serveWith(t, keys, dir, "--dir", "a", "--listen", "127.0.0.1:0", "--snapshots", url, "--archive", url)
	for i := range 2 {
		if got := asking(t, s.address, dir, "", "put", "shop/stock", fmt.Sprint(i+1)); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); ; {
		got := run("drill", "--from", url, "--json")
		if got.code == 0 && strings.Contains(got.out, `"position":"3"`) {
			break
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("the archive in the bucket does not come to position 3: %+v", got)
		}
	}
	if code, errs := s.stop(syscall.SIGTERM); code != 0 || strings.Contains(errs, s3server.Secret) {
		t.Errorf("the server ended with %d: %s", code, errs)
	}
	if got := run("restore", "--from", url, "--to", "restored"); got.code != 0 {
		t.Fatalf("restore: %+v", got)
	}
	want(t, dir, 0, "2", "get", "shop/stock", "--dir", "restored")
	if got := run("snapshot", "--to", url, "--dir", "restored"); got.code != 0 {
		t.Errorf("a snapshot of what was restored: %+v", got)
	}
}
