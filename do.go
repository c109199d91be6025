package mainstem

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// DoOption refines one Do. The set is closed.
type DoOption interface{ apply(*doSettings) }

type doSettings struct {
	fingerprint []byte
	born        LogAge
	meta        Meta
	reruns      int
	deadline    LogAge
}

type doOption func(*doSettings)

func (o doOption) apply(s *doSettings) { o(s) }

// Fingerprint declares what identifies the request, at most LimitFingerprint
// bytes: the same ID with another fingerprint fails as IDReused.
func Fingerprint(f []byte) DoOption { return doOption(func(s *doSettings) { s.fingerprint = f }) }

// Born carries the log age at which the ID was handed out, as Group.Now gave
// it. Such an ID is refused as TooOld, never run, once it is beyond the age for
// which IDs are kept.
func Born(age LogAge) DoOption { return doOption(func(s *doSettings) { s.born = age }) }

// By sets actor, request ID and trace, which the record keeps and the feed shows.
func By(m Meta) DoOption { return doOption(func(s *doSettings) { s.meta = m }) }

// Reruns bounds how often the function runs again after a conflict on what it
// read; the default is DefaultReruns. 0 means never.
func Reruns(n int) DoOption { return doOption(func(s *doSettings) { s.reruns = n }) }

// Before makes the request be refused as TooOld after that log age, however
// late a copy of it arrives.
func Before(age LogAge) DoOption { return doOption(func(s *doSettings) { s.deadline = age }) }

// DefaultReruns is how often a function runs again after conflicts.
const DefaultReruns = 64

// Now is the log age of the group's partition, for Born and Before.
func (g Group) Now(ctx context.Context) (LogAge, error) {
	v, err := g.View(ctx, Local())
	if err != nil {
		return 0, err
	}
	defer v.Close()
	return v.Stamp().Age, nil
}

// Do runs fn and commits what it asked for as one transaction under id.
//
// A known ID returns its first receipt and fn does not run. What fn reads
// becomes a condition; when such a condition fails, fn runs again, at most
// Reruns times, and then the Conflict is returned. An error of fn ends the call
// with that error, and nothing is written. An ID is remembered for a stated
// age (24 h by default): a plain ID that comes back later than that runs again;
// carry Born where that would be wrong.
//
// An empty id lets the library make one; Do then itself repeats until the
// outcome is known or ctx ends. With an ID of the caller's, Undecided and the
// retryable codes are returned, for the caller to repeat with the same ID.
func (g Group) Do(ctx context.Context, id string, fn func(tx *Txn) error, opts ...DoOption) (*Receipt, error) {
	if reserved(g.name) && !g.own {
		return nil, Errorf(Invalid, "group %q begins with ~, which marks Mainstem's own groups", g.name)
	}
	if err := CheckGroup(g.name); err != nil {
		return nil, err
	}
	if fn == nil {
		return nil, Errorf(Invalid, "Do in group %q has no function", g.name)
	}
	d := &doing{group: g, slot: SlotOf(g.name), settings: doSettings{reruns: DefaultReruns}, fn: fn}
	for _, o := range opts {
		o.apply(&d.settings)
	}
	if id == "" {
		if err := d.patiently(ctx, d.make); err != nil {
			return nil, err
		}
		defer func() { g.db.ids.done(d.id) }()
	} else {
		parsed, err := ParseID(id)
		if err != nil {
			return nil, err
		}
		parsed.Born = d.settings.born
		d.id, d.lookup = parsed, true
	}
	return d.run(ctx)
}

// doing is one Do under way. With what it mostly needs in it, it is one object.
type doing struct {
	group    Group
	slot     uint16
	settings doSettings
	fn       func(*Txn) error
	id       ID
	made     bool   // the ID is library-made: repeat until the outcome is known
	lookup   bool   // an earlier attempt may have committed: look the ID up first
	attempt  uint32 // attempts sent so far

	undecided bool // an attempt that was sent may have committed

	first Txn // of the first run of the function
}

// make gives the Do an ID of the library's. It is born no later than now, in
// log age as far as this DB has heard; when that was long ago, the ID is refused
// as too old at its first attempt, and anew makes another.
func (d *doing) make(ctx context.Context) error {
	born, err := d.age(ctx)
	if err != nil {
		return err
	}
	d.id = d.group.db.ids.next()
	d.id.Born, d.made = born, true
	return nil
}

// patiently repeats ask while passing errors keep it from hearing the log age.
// Nothing was sent, and a caller without an ID has nothing to repeat.
func (d *doing) patiently(ctx context.Context, ask func(context.Context) error) error {
	for pause := time.Millisecond; ; pause = min(pause*2, 100*time.Millisecond) {
		err := ask(ctx)
		if err == nil || !CodeOf(err).Retryable() {
			return err
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			return gaveUp(ctx, d)
		}
	}
}

// stale reports whether the ID was too old from the beginning, and nothing can
// have come of it: what this DB knew of log age was too long ago.
func (d *doing) stale(code Code) bool {
	return d.made && code == TooOld && d.attempt == 1 && !d.undecided && d.settings.deadline == 0
}

// anew takes another ID, born now.
func (d *doing) anew(ctx context.Context) error {
	now, err := d.group.Now(ctx)
	if err != nil {
		return err
	}
	d.group.db.ages.learn(d.slot, now)
	old := d.id
	if err := d.make(ctx); err != nil {
		return err
	}
	d.group.db.ids.done(old)
	d.attempt = 0
	return nil
}

func (d *doing) run(ctx context.Context) (*Receipt, error) {
	pause, renewed := time.Millisecond, false
	for reruns, tx := 0, &d.first; ; tx = new(Txn) {
		receipt, again, err := d.once(ctx, tx)
		code := CodeOf(err)
		switch {
		case err == nil:
			d.group.db.ages.learn(d.slot, receipt.Age)
			return receipt, nil
		case d.stale(code) && !renewed:
			renewed = true
			if err := d.patiently(ctx, d.anew); err != nil {
				return nil, err
			}
			continue
		case again && reruns < d.settings.reruns:
			reruns++
			if reruns < 4 { // the first few at once: most conflicts are over by then
				continue
			}
		case d.made && code.Retryable() && code != Held:
			d.lookup = d.undecided
		case d.undecided && d.made:
			// Whatever this attempt says, an earlier one may have committed.
			return nil, Errorf(Undecided, "transaction %s in group %q, and then: %w", d.id, d.group.name, err)
		default:
			return nil, err
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			return nil, gaveUp(ctx, d)
		}
		pause = min(pause*2, 100*time.Millisecond)
	}
}

func gaveUp(ctx context.Context, d *doing) error {
	code := Cancelled
	if d.undecided {
		code = Undecided
	}
	return Errorf(code, "transaction %s in group %q was given up: %w", d.id, d.group.name, context.Cause(ctx))
}

// view is what the function reads, opened by its first read.
func (d *doing) view(ctx context.Context) (Snapshot, error) {
	request := ViewRequest{Group: d.group.name, At: Latest(), Fingerprint: d.settings.fingerprint}
	if d.lookup {
		request.ID = d.id
	}
	return d.group.db.backend.View(ctx, request)
}

// once runs the function and sends what it asked for. again says that running
// it again can help: a failed condition is one that the function's reads
// implied, or the attempt had a number that was refused before.
func (d *doing) once(ctx context.Context, tx *Txn) (r *Receipt, again bool, err error) {
	tx.begin(d)
	defer func() {
		if failed := tx.close(); err == nil {
			err = failed
		}
	}()
	if d.lookup {
		s, err := tx.view(ctx)
		if err != nil {
			return nil, false, err
		}
		if known := s.Known(); known != nil {
			return known, false, nil
		}
		// Earlier calls under this ID may have been refused: number on from there (L11).
		d.attempt = max(d.attempt, s.Stamp().Attempt)
	}
	if err := d.fn(tx); err != nil && !(tx.refused && errors.Is(err, errRefused)) {
		return nil, false, err
	}
	t := tx.transaction()
	d.attempt++
	t.ID, t.Attempt, t.Fingerprint, t.Meta, t.Deadline = d.id, d.attempt, d.settings.fingerprint, d.settings.meta, d.settings.deadline
	if r, err = d.group.db.backend.Commit(ctx, t); err == nil {
		return r, false, nil
	}
	var failed *Error
	if errors.As(err, &failed) {
		// A late copy of an earlier attempt may have been refused meanwhile. The
		// lookup tells that from an ID that was voided.
		superseded := failed.Code == Cancelled && ctx.Err() == nil
		d.lookup = d.lookup || superseded
		again = superseded || failed.Code == Conflict && failed.Condition > 0 && failed.Condition <= len(tx.reads)
		d.undecided = d.undecided || failed.Code == Undecided
	}
	return r, again, err
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
