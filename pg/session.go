package pg

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Session is what one user, or one request, has seen of a database: its reads show
// what it has written (read your writes), whichever server answers. It may be used
// from many goroutines, and it goes on elsewhere by its token.
//
// Source: Terry et al., "Session Guarantees for Weakly Consistent Replicated
// Data", 1994; Kleppmann, "Designing Data-Intensive Applications", chapter 5.
type Session struct {
	readers *Readers
	timed   bool // without a token: see Recent
	who     string

	mu    sync.Mutex
	seen  seen
	asks  int // questions for a place, counted
	blind int // the last question that was asked before a place got lost
}

// Session goes on where a token ends; the empty token begins a new session.
func (r *Readers) Session(token string) (*Session, error) {
	s, err := parseSeen(token)
	if err != nil {
		return nil, err
	}
	return &Session{readers: r, seen: s}, nil
}

// Token is what the session has seen, to be carried to whoever goes on with it:
// at most 40 letters, digits, "-" and "_". It is not secret and not signed: a
// forged one makes its own session wait, or go to the primary.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// Context makes what DB commits under it part of the session: DB.Run, and the
// handlers of HTTP.
func (s *Session) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

type sessionKey struct{}

// SessionOf is the session of a context; nil if it has none.
func SessionOf(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// Run is DB.Run at the primary, and the session has seen what it committed.
func (s *Session) Run(ctx context.Context, r Request, fn func(ctx context.Context, tx pgx.Tx) ([]byte, error)) (Reply, error) {
	return s.readers.DB.Run(s.Context(ctx), r, fn)
}

// Write runs fn in a transaction at the primary, and the session has seen it. It
// is not repeated: an error that is Undecided may have been committed.
func (s *Session) Write(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	if err := s.readers.check(); err != nil {
		return err
	}
	ctx = s.Context(ctx)
	return s.readers.DB.tx(ctx, "writing", func(tx pgx.Tx) error { return fn(ctx, tx) })
}

// ask begins a question for the place of a commit.
func (s *Session) ask() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	return s.asks
}

// cover makes the session see a commit that was made between two places. If the
// second was not told, or is of another life of the server, all that is known is
// the first one's. A commit after a failover goes on with a session only if what it
// had seen is there: otherwise its reads are to say that its history is lost.
func (s *Session) cover(ctx context.Context, tx Tx, asked int, began, after seen) {
	if s.timed {
		s.readers.recent.note(s.who, s.readers.PrimaryFor)
		return
	}
	after.behind, after.standby = 0, false
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.seen
	if had != (seen{}) && !after.of(had) && after.of(began) {
		s.mu.Unlock()
		_, err := s.readers.has(ctx, tx, after, had)
		s.mu.Lock()
		if err != nil && s.seen == had {
			s.lose(had)
			return
		}
	}
	switch {
	case after.lsn == unplaced || !after.of(began):
		s.lose(began)
	case !after.of(s.seen):
		s.seen = after
	case s.seen.lsn == unplaced && asked < s.blind: // asked before that commit
	case s.seen.lsn == unplaced, after.lsn > s.seen.lsn:
		s.seen = after
	}
}

// lose notes that the session has seen an unknown place of a life of a server.
func (s *Session) lose(life seen) {
	s.asks++
	s.seen, s.blind = seen{system: life.system, timeline: life.timeline, lsn: unplaced}, s.asks
}

// Read runs fn in a read-only transaction of read committed, on a replica that has
// replayed what the session has seen. If none has, it waits for one as long as
// Readers says, and then reads at the primary. If the primary cannot be shown to
// have it, the history is lost: HistoryLost. Then what the session has written may
// be gone; begin a new one.
//
// It is read-your-writes alone: of two reads without a write between them, the
// second may come to a replica that is further behind. What has to be seen
// together is read in one transaction.
//
// fn may run several times, if a replica fails under it.
func (s *Session) Read(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	if err := s.readers.check(); err != nil {
		return err
	}
	if s.timed {
		_, err := s.readers.read(ctx, seen{}, s.readers.recent.is(s.who, s.readers.PrimaryFor), fn)
		return err
	}
	s.mu.Lock()
	want, asked := s.seen, s.asks
	s.mu.Unlock()
	now, err := s.readers.read(ctx, want, want.lsn == unplaced, fn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == want && s.asks == asked {
		s.seen = now
	}
	return err
}

// Recent is a session for callers who cannot carry a token: for so long after a
// write of this name's in this process, its reads go to the primary. That is
// weaker: another process does not know of the write, and a replica that is
// further behind than that shows the past. Names are kept for that long.
func (r *Readers) Recent(who string) (*Session, error) {
	switch {
	case r.PrimaryFor <= 0:
		return nil, mainstem.Errorf(mainstem.Invalid, "these pg.Readers have no PrimaryFor, so a write without a token has no effect on reads")
	case who == "":
		return nil, mainstem.Errorf(mainstem.Invalid, "a session without a token needs a name")
	}
	return &Session{readers: r, timed: true, who: who}, nil
}
