package mainstem

import (
	"context"
	"iter"
	"sync"
)

// Session gives one user's calls the session guarantees (Terry et al.,
// "Session guarantees for weakly consistent replicated data", 1994): it reads
// its own writes, never sees time run backwards, and its writes follow what it
// has read. It carries a Token, which everything that its DB does moves on.
//
// Local and AtLeast are raised to AtLeast the session's token. Within that
// comes back older than the token is asked again as Latest. Latest needs
// nothing; AsOf and AsOfTime ask for the past and get it.
//
// A Session may be used from many goroutines; each call follows every call
// that ended before it began.
type Session struct {
	db    *DB
	mu    sync.Mutex
	token Token
}

// Session begins a session that has seen token; the zero Token has seen
// nothing. It need not be closed.
func (db *DB) Session(token Token) *Session {
	s := &Session{token: token}
	// The session shares the source of IDs: nodes keep state per source.
	s.db = &DB{backend: &sessionBackend{Backend: db.backend, session: s}, ids: db.ids, ages: db.ages}
	return s
}

// DB is the database as the session sees it. Closing it closes the database
// that the session was made of.
func (s *Session) DB() *DB { return s.db }

// Token is what the session has seen so far. Hand it, as text, to whoever goes
// on in the session's name.
func (s *Session) Token() Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// See adds what a token has seen, for example one that came with a message.
func (s *Session) See(token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = s.token.Merge(token)
}

// sessionBackend is the Backend under a Session's DB.
type sessionBackend struct {
	Backend
	session *Session
}

// Commit notes the receipt's token.
func (b *sessionBackend) Commit(ctx context.Context, t *Transaction) (*Receipt, error) {
	r, err := b.Backend.Commit(ctx, t)
	if r != nil {
		b.session.See(r.Token)
	}
	return r, err
}

// View raises what is asked to what the session has seen (L8).
func (b *sessionBackend) View(ctx context.Context, r ViewRequest) (Snapshot, error) {
	seen := b.session.Token()
	switch r.At.Level {
	case LevelLocal:
		if !seen.IsZero() {
			r.At = AtLeast(seen)
		}
	case LevelAtLeast:
		r.At = AtLeast(r.At.Token.Merge(seen))
	}
	s, err := b.Backend.View(ctx, r)
	if err == nil && r.At.Level == LevelWithin && !s.Stamp().Token.covers(seen) {
		if err := s.Close(); err != nil {
			return nil, err
		}
		r.At = Latest()
		s, err = b.Backend.View(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	if known := s.Known(); known != nil {
		b.session.See(known.Token)
	}
	b.session.See(s.Stamp().Token)
	return s, nil
}

// Changes notes the token of every batch before it is delivered.
func (b *sessionBackend) Changes(ctx context.Context, from From) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for batch, err := range b.Backend.Changes(ctx, from) {
			if err == nil {
				b.session.See(batch.Token)
			}
			if !yield(batch, err) {
				return
			}
		}
	}
}
