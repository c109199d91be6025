package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// printed are the settings that config print shows, by key.
func printed(t *testing.T, dir string, args ...string) map[string]map[string]string {
	t.Helper()
	got := mainstem(t, dir, "", append([]string{"config", "print", "--json"}, args...)...)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	all := map[string]map[string]string{}
	for line := range strings.Lines(got.out) {
		var one map[string]string
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		all[one["key"]] = one
	}
	return all
}

func file(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSettingsAreOneTable: every flag of serve is a setting, with a variable and a
// place in the file, and every setting can be given in each of the three ways.
func TestSettingsAreOneTable(t *testing.T) {
	dir := t.TempDir()
	all, flags := printed(t, dir), map[string]bool{}
	for _, s := range all {
		flags[s["flag"]] = true
		if !strings.HasPrefix(s["env"], "MAINSTEM_") || s["from"] != "default" || s["value"] != s["default"] {
			t.Errorf("%v", s)
		}
	}
	help := mainstem(t, dir, "", "serve", "--help").out
	_, listed, _ := strings.Cut(help, "Flags:")
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`).FindAllStringSubmatch(listed, -1) {
		if flag := m[1]; !flags[flag] && flag != "--help" && flag != "--json" && flag != "--config" {
			t.Errorf("%s is a flag of serve and no setting: give it a key", flag)
		}
	}
	for key, s := range all {
		value := map[string]string{
			"listen": "127.0.0.1:99", "pprof": "127.0.0.1:98", "memory": "64MiB", "drain": "2m",
			"insecure": "true", "tls.client_cert_optional": "true", "metrics": "127.0.0.1:97", "activate": "2", "verify": "36h",
			"cluster.log": "postgres://node@db1/shop", "snapshots": "dir://backups", "archive": "dir://backups", "cluster.listen": "127.0.0.1:96", "cluster.address": "db1:95", "cluster.accept_weak_durability": "true",
		}[key]
		if value == "" {
			value = "some"
		}
		flag := s["flag"] + "=" + value
		file(t, dir, "one.yaml", nested(key, value))
		if got := printed(t, dir, "--config", "one.yaml")[key]; got["value"] != value || !strings.HasPrefix(got["from"], "one.yaml:") {
			t.Errorf("by file: %v", got)
		}
		if got := printed(t, dir, flag)[key]; got["value"] != value || got["from"] != "flag" {
			t.Errorf("by flag: %v", got)
		}
		t.Setenv(s["env"], value)
		if got := printed(t, dir)[key]; got["value"] != value || got["from"] != "environment" {
			if key != "dir" { // whose variable every test empties
				t.Errorf("by environment: %v", got)
			}
		}
	}
}

// nested is a key and its value as a file has them.
func nested(key, value string) string {
	if top, below, deep := strings.Cut(key, "."); deep {
		return top + ":\n  " + below + ": " + value + "\n"
	}
	return key + ": " + value + "\n"
}

// TestPrecedence: flag over environment over file over default, setting by setting.
func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "server.yaml", "# the shop\nmemory: 64MiB\ndrain: 5s\nlisten: 127.0.0.1:1\n")
	t.Setenv("MAINSTEM_CONFIG", "server.yaml")
	t.Setenv("MAINSTEM_DRAIN", "6s")
	t.Setenv("MAINSTEM_LISTEN", "127.0.0.1:2")
	t.Setenv("MAINSTEM_POLICY", "") // scripts leave variables empty
	all := printed(t, dir, "--listen", "127.0.0.1:3")
	for key, want := range map[string]string{
		"memory": "64MiB server.yaml:2", "drain": "6s environment", "listen": "127.0.0.1:3 flag", "policy": " default", "dir": "./mainstem-data default",
	} {
		if got := all[key]["value"] + " " + all[key]["from"]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// TestBadSettings: each is refused with its place and what would be right, and serve
// refuses it as well, before it touches anything.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	for text, words := range map[string]string{
		"memroy: 1GiB\n":                    "bad.yaml:1: there is no \"memroy\"; did you mean memory?",
		"tls:\n  crt: a\n":                  "bad.yaml:2: there is no \"tls.crt\"; did you mean tls.cert?",
		"tls-cert: a\n":                     "write tls.cert",
		"MAINSTEM_MEMORY: 1GiB\n":           "write memory",
		"nonsense: 1\n":                     "there are activate, archive, dir, drain,",
		"\n\nmemory: 256\n":                 "bad.yaml:3: memory: \"256\" has no unit; write 256MiB",
		"memory: 256MB\n":                   "did you mean 256MiB?",
		"memory: much\n":                    "is no size",
		"memory: -1MiB\n":                   "is no size",
		"memory: 99999999999GiB\n":          "more than any machine has",
		"memory:\n":                         "memory has no value",
		"memory: [1GiB]\n":                  "memory is one value; write it as in memory: 256MiB",
		"memory: 1GiB\nmemory: 2GiB\n":      "bad.yaml:2: \"memory\" is there twice",
		"drain: 30\n":                       "\"30\" has no unit; write 30s for seconds",
		"drain: 30 seconds\n":               "is no duration",
		"drain: -1s\n":                      "below zero",
		"insecure: yes\n":                   "\"yes\" is not true or false",
		"activate: 256\n":                   "\"256\" is not a whole number from 0 to 255",
		"listen: 7171\n":                    "has no host; write 127.0.0.1:7171",
		"listen: localhost\n":               "is no HOST:PORT",
		"listen: localhost:http2\n":         "the port of",
		"listen: http://localhost:7171\n":   "is a URL; write HOST:PORT",
		"pprof: 0.0.0.0:6060\n":             "could be taken from other machines",
		"pprof: :6060\n":                    "could be taken from other machines",
		"tls: on\n":                         "tls holds keys",
		"- memory\n":                        "a file of settings holds keys",
		"memory: &a 1GiB\ndrain: *a\n":      "drain is one value",
		"memory: 1GiB\n---\nmemory: 1GiB\n": "more than one document",
		"memory: \"1GiB\n":                  "is not YAML",
		"policy: nowhere.yaml\n":            "nowhere.yaml",
		"tls:\n  cert: a.pem\n":             "a certificate and its key",
		"listen: 0.0.0.0:0\n":               "without a policy",
		strings.Repeat("# long\n", 10_000):  "more than 65536 bytes",
	} {
		dir := t.TempDir()
		file(t, dir, "bad.yaml", text)
		for _, args := range [][]string{{"config", "check", "bad.yaml"}, {"serve", "--config", "bad.yaml"}} {
			got := mainstem(t, dir, "", args...)
			if got.code == 0 || !strings.Contains(got.err, words) {
				t.Errorf("%v of %.60q: exit code %d, want %q in\n%s", args, text, got.code, words, got.err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "mainstem-data")); err == nil {
			t.Errorf("%.60q: a database was made all the same", text)
		}
	}
}

// TestConfigCheck: a right file is right, however empty, and one that is not there
// is said to be so.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, said := range map[string]string{
		"":                                "0 settings",
		"# nothing\n":                     "0 settings",
		"memory: 16MiB\ndrain: 0s\n":      "2 settings",
		"listen: '[::1]:0'\npprof: ::1:0": "HOST:PORT",
		"pprof: 127.0.0.1:0\ntls:\n  client_cert_optional: false\n": "2 settings",
	} {
		file(t, dir, "server.yaml", text)
		got := mainstem(t, dir, "", "config", "check", "server.yaml")
		if !strings.Contains(got.out+got.err, said) || (got.code == 0) != strings.Contains(said, "settings") {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if got := mainstem(t, dir, "", "config", "check", "nowhere.yaml"); got.code != 3 {
		t.Errorf("%+v", got)
	}
}
