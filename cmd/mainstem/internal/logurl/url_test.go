package logurl

import (
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for text, shown := range map[string]string{
		"":                         "",
		"postgres://node@db1/shop": "postgres://node@db1/shop",
		"postgres://node:hunter2@db1:5432,db2:5432/shop?schema=s":         "postgres://node:…@db1:5432,db2:5432/shop?schema=s",
		"postgresql:///shop?host=/run/postgresql&password=hunter2":        "postgresql:///shop?host=/run/postgresql&password=…",
		"postgres://node@db1/shop?sslpassword=hunter2":                    "postgres://node@db1/shop?sslpassword=…",
		"jetstream://a:4222,b:4222/shop?replicas=3&monitor=http://a:8222": "jetstream://a:4222,b:4222/shop?monitor=http://a:8222&replicas=3",
		"jetstream+tls://node:hunter2@a/shop":                             "jetstream+tls://node:…@a/shop",
		"jetstream://hunter2:@a/shop":                                     "jetstream://hunter2:…@a/shop",
	} {
		var u URL
		if err := u.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got, err := u.MarshalText(); string(got) != shown || err != nil {
			t.Errorf("%s is shown as %s, %v, want %s", text, got, err, shown)
		}
	}
	for text, want := range map[string]string{
		"db1:5432":                        "no scheme",
		"mysql://node:hunter2@db1/shop":   "mysql",
		"jetstream://":                    "names no server",
		"jetstream://hunter2@a":           "names no database",
		"jetstream://a/shop?replcas=3":    "did you mean replicas?",
		"jetstream://a/shop?colour=red":   "it may have replicas",
		"jetstream://a/shop?ca=x&ca=y":    "ca twice",
		"jetstream://a/shop?ca=%zz":       "does not parse",
		"postgres://hunter2@a/shop?x=%zz": "does not parse",
	} {
		var u URL
		err := u.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q and no password", text, err, want)
		}
	}
}

func TestURLOfEachServer(t *testing.T) {
	var u URL
	if err := u.UnmarshalText([]byte("jetstream+tls://node:word@a:4222,b:4223/shop?replicas=three")); err != nil {
		t.Fatal(err)
	}
	if got, want := u.nats(), "tls://node:word@a:4222,tls://node:word@b:4223"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := u.Open(t.Context(), false); err == nil || !strings.Contains(err.Error(), "replicas=three") {
		t.Errorf("%v, want what is no number", err)
	}
}

// FuzzURL: whatever is read, its password is not shown.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"postgres://a:b@c/d?e=f", "jetstream://a,b/c?replicas=1", "jetstream+tls://@/?", "postgres://?=%3f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var u URL
		if err := u.UnmarshalText([]byte(text)); err != nil || text == "" {
			return
		}
		if user, secret, ok := strings.Cut(u.user, ":"); ok && len(secret) > 8 && strings.Count(text, secret) == 1 && strings.Contains(u.String(), secret) {
			t.Errorf("the password of %s is shown: %s", user, u)
		}
	})
}
