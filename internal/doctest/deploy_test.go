package doctest

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	unitFile  = root + "/deploy/systemd/mainstem.service"
	imageFile = root + "/deploy/docker/Dockerfile"
)

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUnit: systemd reads the unit without a complaint, finds it well shut in, and
// waits longer for a server to leave than the server takes.
func TestUnit(t *testing.T) {
	t.Parallel()
	unit := text(t, unitFile)
	stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(unit)
	if stop == nil {
		t.Fatal("the unit does not say how long stopping may take")
	}
	seconds, err := strconv.Atoi(stop[1])
	if err != nil {
		t.Fatal(err)
	}
	if drain := defaultOf(t, "drain"); time.Duration(seconds)*time.Second < drain+10*time.Second {
		t.Errorf("systemd kills after %d s, and a server may drain for %s", seconds, drain)
	}
	for _, place := range []string{"`TimeoutStopSec=" + stop[1] + "`", "`docker stop -t " + stop[1] + "`", "`terminationGracePeriodSeconds: " + stop[1] + "`"} {
		if !strings.Contains(page(t, serverPage), place) {
			t.Errorf("%s has no %s", serverPage, place)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("not run: systemd-analyze is not installed, which judges the unit")
	}
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// Where it is not installed, the binary is where this test built it.
	here := filepath.Join(t.TempDir(), "mainstem.service")
	write(t, here, strings.ReplaceAll(unit, "/usr/local/bin/mainstem", bin+"/mainstem"))
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", here).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	const worst = 20 // of 100: "OK" ends at 50
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold="+strconv.Itoa(worst), here).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// TestUnitLetsTheServerWork: every system call that a server makes, from its start
// over a write, a read and a feed to its end, is one that the unit's filter lets
// through.
func TestUnitLetsTheServerWork(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"systemd-analyze", "strace"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("not run: " + name + " is not installed, by which the unit's filter is held to the server")
		}
	}
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	traced := exec.Command("strace", "-f", "-qq", "-o", dir+"/calls", bin+"/mainstem", "serve", "--dir", dir+"/data", "--listen", "127.0.0.1:0", "--pprof", "127.0.0.1:0")
	address := started(t, traced)
	for _, args := range [][]string{{"put", "g/k", "v"}, {"get", "g/k"}, {"feed"}, {"status"}} {
		if out, err := exec.Command(bin+"/mainstem", append(args, "--server", address)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	first, _, _ := strings.Cut(text(t, dir+"/calls"), " ") // of each line, the process
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := traced.Wait(); err != nil {
		t.Fatal(err)
	}
	unit := text(t, unitFile)
	allowed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(@\S+)$`).FindAllStringSubmatch(unit, -1) {
		expand(t, m[2], func(call string) { allowed[call] = m[1] == "" })
	}
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(text(t, dir+"/calls"), -1) {
		made[m[1]] = true
	}
	if !made["fdatasync"] || !made["accept4"] || len(allowed) < 100 {
		t.Fatalf("either the trace or the filter cannot be seen: %d calls made, %d allowed", len(made), len(allowed))
	}
	for call := range made {
		if !allowed[call] {
			t.Errorf("the server calls %s, which the unit forbids", call)
		}
	}
}

// expand names the system calls of a group of systemd's, and of the groups in it.
func expand(t *testing.T, group string, each func(call string)) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", group).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "    ") || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			expand(t, name, each)
		default:
			each(name)
		}
	}
}

// defaultOf is the duration that a setting has unless chosen.
func defaultOf(t *testing.T, key string) time.Duration {
	t.Helper()
	for _, row := range settingRow.FindAllStringSubmatch(page(t, "docs/reference/configuration.md"), -1) {
		if row[1] == key {
			d, err := time.ParseDuration(row[4])
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	t.Fatalf("there is no setting %s", key)
	return 0
}

// TestImage runs what the Dockerfile runs, where there is no Docker: the build of a
// binary that needs no library, and in an environment like the image's the server,
// which refuses to be open to everybody, and its health check.
func TestImage(t *testing.T) {
	t.Parallel()
	file := text(t, imageFile)
	build := regexp.MustCompile(`(?m)^RUN (go build .*)$`).FindStringSubmatch(file)
	health := regexp.MustCompile(`(?m)^HEALTHCHECK .* CMD \["/mainstem", "([a-z]+)"\]$`).FindStringSubmatch(file)
	settings := regexp.MustCompile(`(?m)^ENV (MAINSTEM_DIR=/data) (MAINSTEM_LISTEN=\S+)$`).FindStringSubmatch(file)
	user := regexp.MustCompile(`(?m)^USER [1-9]\d*:[1-9]\d*$`).FindString(file)
	if build == nil || health == nil || settings == nil || user == "" {
		t.Fatalf("the Dockerfile lacks a part: %q, %q, %q, %q", build, health, settings, user)
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(build[1], "/out/", dir+"/"))
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build[1], err, out)
	}
	exe, err := elf.Open(dir + "/mainstem")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if libraries, err := exe.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the binary needs %v, %v; in the image there is nothing", libraries, err)
	}
	run := func(env []string, args ...string) (string, int) {
		cmd := exec.Command(dir+"/mainstem", args...)
		cmd.Env = env
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // its exit code is the answer
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if said, code := run([]string{"MAINSTEM_DIR=" + dir + "/data", strings.Replace(settings[2], "7171", "0", 1)}, "serve"); code != 1 || !strings.Contains(said, "without a policy") {
		t.Errorf("without a policy the image's server says, with exit code %d: %s", code, said)
	}
	address := running(t)
	if said, code := run([]string{"MAINSTEM_SERVER=" + address}, health[1]); code != 0 {
		t.Errorf("a server that is well is unhealthy, %d: %s", code, said)
	}
	if said, code := run([]string{"MAINSTEM_SERVER=http://127.0.0.1:1"}, health[1]); code == 0 {
		t.Errorf("no server is healthy: %s", said)
	}
}
