package mainstem_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// overWire runs the tests of this package through a server and its client, where
// they are not about files: what holds here holds there. See "make wire".
var overWire = os.Getenv("MAINSTEM_WIRE") != ""

// open opens a database in memory for one test.
func open(t testing.TB, opts ...embedded.Option) *mainstem.DB {
	t.Helper()
	if overWire {
		return mainstemtest.OpenRemote(t, opts...).DB
	}
	db, err := embedded.InMemory(within(t), opts...)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db.DB
}

// openIn opens a database in a directory.
func openIn(t testing.TB, dir string, opts ...embedded.Option) *embedded.DB {
	t.Helper()
	db, err := embedded.Open(within(t), dir, opts...)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// within is a context that ends with the test, and long before the test binary
// would be killed without a word.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// do is Do that must succeed.
func do(t testing.TB, g mainstem.Group, id string, fn func(tx *mainstem.Txn) error, opts ...mainstem.DoOption) *mainstem.Receipt {
	t.Helper()
	r, err := g.Do(within(t), id, fn, opts...)
	if err != nil {
		t.Fatalf("Do %q in group %q: %v", id, g.Name(), err)
	}
	return r
}

// view is a Latest view, closed with the test.
func view(t testing.TB, g mainstem.Group) *mainstem.View {
	t.Helper()
	v, err := g.View(within(t), mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// must stops the test at an error that has no place in it.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code checks the code of an error.
func code(t testing.TB, err error, want mainstem.Code) {
	t.Helper()
	if got := mainstem.CodeOf(err); got != want {
		t.Errorf("code %v (%v), must be %v", got, err, want)
	}
}
