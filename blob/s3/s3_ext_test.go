package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/blobtest"
	"github.com/mainstemdb/mainstem/blob/s3"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/internal/s3server"
)

// start runs a server; the keys are those of this process.
func start(t *testing.T) *s3server.Server {
	t.Helper()
	server := s3server.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3server.Key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3server.Secret)
	return server
}

func open(t *testing.T, c s3.Config) *s3.Store {
	t.Helper()
	c.Plain = true
	if c.Bucket == "" {
		c.Bucket = s3server.Bucket
	}
	s, err := s3.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConformance: the suite, against a real server, below a prefix and without.
func TestConformance(t *testing.T) {
	for _, prefix := range []string{"", "shop/eu"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			server := start(t)
			blobtest.Run(t, blobtest.World{
				Open: func(t *testing.T) blob.Store { return open(t, s3.Config{Endpoint: server.Addr(), Prefix: prefix}) },
				Flip: func(t *testing.T, name string) {
					file := server.File(strings.TrimPrefix(prefix+"/"+name+".blob", "/"))
					data, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					data[len(data)/2] ^= 1
					f, err := os.OpenFile(file, os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := f.WriteAt(data, 0); err != nil || f.Close() != nil {
						t.Fatal(err)
					}
				},
			})
		})
	}
}

// TestCutInTheMiddle: wherever the way breaks, a name has its old content or its new one,
// and an answered Put is what everybody gets.
func TestCutInTheMiddle(t *testing.T) {
	server := start(t)
	way, err := proxy.To(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	sound := open(t, s3.Config{Endpoint: server.Addr()})
	cut := open(t, s3.Config{Endpoint: way.Addr(), Region: "us-east-1"})
	last := []byte("first")
	if err := sound.Put(t.Context(), "name", last); err != nil {
		t.Fatal(err)
	}
	for i, direction := range []proxy.Direction{proxy.ToServer, proxy.ToServer, proxy.ToServer, proxy.ToClient} {
		next := bytes.Repeat(fmt.Append(nil, i), 200_000)
		way.CutAfter(direction, []int{100, 5_000, 150_000, 10}[i])
		err := cut.Put(t.Context(), "name", next) // it is sent again
		got, failed := sound.Get(t.Context(), "name")
		switch {
		case failed != nil:
			t.Errorf("cut %d: %v", i, failed)
		case err == nil && !bytes.Equal(got, next), !bytes.Equal(got, next) && !bytes.Equal(got, last):
			t.Errorf("cut %d: Put said %v, and there are %d bytes", i, err, len(got))
		}
		last = got
		way.CutAfter(proxy.ToClient, 100_000)
		if again, err := cut.Get(t.Context(), "name"); err == nil && !bytes.Equal(again, last) {
			t.Errorf("cut %d: a part is taken for the whole", i)
		}
	}
}

// TestRefusals: what cannot be is told within the bound, and is never a missing blob.
func TestRefusals(t *testing.T) {
	server := start(t)
	for name, c := range map[string]s3.Config{
		"no such bucket": {Endpoint: server.Addr(), Bucket: "nowhere", Timeout: 3 * time.Second},
		"nobody there":   {Endpoint: "127.0.0.1:1", Timeout: time.Second},
	} {
		s, began := open(t, c), time.Now()
		_, got := s.Get(t.Context(), "a")
		_, listed := s.List(t.Context(), "")
		for _, err := range []error{s.Put(t.Context(), "a", nil), got, listed, s.Delete(t.Context(), "a")} {
			if err == nil || errors.Is(err, blob.ErrMissing) || errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(began); took > 4*c.Timeout+time.Second {
			t.Errorf("%s: told after %s", name, took)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another one")
	err := open(t, s3.Config{Endpoint: server.Addr()}).Put(t.Context(), "a", nil)
	if err == nil || strings.Contains(err.Error(), "another one") || !strings.Contains(err.Error(), "signature") {
		t.Errorf("with a wrong secret: %v", err)
	}
	if _, err := s3.Open(s3.Config{Endpoint: server.Addr(), Bucket: "b", Prefix: "Not A Name"}); !errors.Is(err, blob.ErrInvalid) {
		t.Errorf("a prefix that is no name: %v", err)
	}
}
