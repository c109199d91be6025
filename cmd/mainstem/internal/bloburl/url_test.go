package bloburl

import (
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for text, shown := range map[string]string{
		"":                       "",
		"dir:///var/backups":     "dir:///var/backups",
		"dir://here":             "dir://here",
		"postgres://a:b@c/shop":  "postgres://a:…@c/shop",
		"jetstream://a:4222/log": "jetstream://a:4222/log",

		"s3://s3.eu-central-1.amazonaws.com/shop/eu?region=eu-central-1": "s3://s3.eu-central-1.amazonaws.com/shop/eu?region=eu-central-1",
		"s3://127.0.0.1:9000/shop?tls=off":                               "s3://127.0.0.1:9000/shop?tls=off",
	} {
		var u URL
		if err := u.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got, err := u.MarshalText(); string(got) != shown || err != nil {
			t.Errorf("%s is shown as %s, %v; want %s", text, got, err, shown)
		}
	}
	for text, want := range map[string]string{
		"/var/backups":           "dir:///var/backups",
		"dir://":                 "dir://PATH",
		"ftp://hunter2@a/b":      "ftp",
		"jetstream://hunter2@a/": "names no database",
		"s3://key:hunter2@a/b":   "has a key in it",
		"s3://host":              "names no bucket",
		"s3:///bucket":           "names no bucket",
		"s3://a/b?tls=on":        `"tls=on", which is not known`,
		"s3://a/b?region=x&x=y":  `"x=y", which is not known`,
		"s3://a/b/Not A Prefix":  "invalid",
	} {
		var u URL
		if err := u.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q and no password", text, err, want)
		}
	}
}

// TestOpen: a directory is there when it is needed.
func TestOpen(t *testing.T) {
	var u URL
	if err := u.UnmarshalText([]byte("dir://" + t.TempDir() + "/blobs")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := u.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "a", nil); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
