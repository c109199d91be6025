package access

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

// PollEvery is how often Watch looks at the policy file.
const PollEvery = 2 * time.Second

// Gate is a policy in force: that of a file, kept up to date. It may be used from
// many goroutines.
type Gate struct {
	file    string
	log     *slog.Logger
	count   func(Refusal)
	policy  atomic.Pointer[policy]
	problem atomic.Pointer[mainstem.Error]
	unknown audit     // of requests that nobody known has sent
	began   time.Time // of usage's clock, which is monotonic

	mu  sync.Mutex // over loading
	sum [32]byte   // of the text looked at last, right or wrong
}

// GateOption sets up a Gate. The set is closed.
type GateOption interface{ apply(*Gate) }

type gateOption func(*Gate)

func (o gateOption) apply(g *Gate) { o(g) }

// Log is where refusals and reloads are told; without it, nowhere.
func Log(l *slog.Logger) GateOption { return gateOption(func(g *Gate) { g.log = l }) }

// Count is called at every refusal, also those that the log leaves out. It must
// not block.
func Count(f func(Refusal)) GateOption { return gateOption(func(g *Gate) { g.count = f }) }

// Open reads the policy of a file. A policy that is wrong is the error of Parse.
func Open(file string, opts ...GateOption) (*Gate, error) {
	g := &Gate{file: file, log: slog.New(slog.DiscardHandler), count: func(Refusal) {}, began: time.Now()}
	for _, o := range opts {
		o.apply(g)
	}
	if err := g.Reload(); err != nil {
		return nil, err
	}
	return g, nil
}

// Watch loads the file anew when its content has changed, looking every PollEvery,
// until ctx ends. Content, because times of files are coarser than writes.
func (g *Gate) Watch(ctx context.Context) {
	tick := time.NewTicker(PollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = g.Reload() // logged, and kept as the Problem
		}
	}
}

// Reload loads the file now, for a signal handler for example. If it cannot be read
// or is wrong, the policy before stays in force; the error is logged once and
// kept as the Problem.
func (g *Gate) Reload() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	text, err := g.read()
	if err == nil {
		sum := sha256.Sum256(text)
		if sum == g.sum {
			if p := g.problem.Load(); p != nil {
				return p
			}
			return nil
		}
		g.sum = sum
		var parsed *Policy
		if parsed, err = Parse(text); err == nil {
			g.install(parsed)
			return nil
		}
	} else {
		g.sum = [32]byte{} // what comes back may be what was there before
	}
	return g.refuse(err)
}

// read reads the file, bounded.
func (g *Gate) read() ([]byte, error) {
	f, err := os.Open(g.file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, LimitPolicy+1))
	return text, errors.Join(err, f.Close())
}

func (g *Gate) install(parsed *Policy) {
	before := g.policy.Load()
	g.policy.Store(makePolicy(parsed, before))
	g.problem.Store(nil)
	g.log.Info("policy loaded", "file", g.file, "clients", len(parsed.Clients), "again", before != nil)
}

func (g *Gate) refuse(err error) error {
	code := mainstem.CodeOf(err)
	if code == 0 {
		code = mainstem.Unavailable
	}
	e := mainstem.Errorf(code, "policy %s: %w", g.file, err)
	e.Advice = "correct the file; until then the policy before stays in force"
	if last := g.problem.Swap(e); g.policy.Load() != nil && (last == nil || last.Message != e.Message) {
		g.log.Error("policy not loaded, the one before stays in force", "file", g.file, "error", e.Message)
	}
	return e
}

// Problem is why the file as it is now is not in force; nil when it is.
func (g *Gate) Problem() error {
	if e := g.problem.Load(); e != nil {
		return e
	}
	return nil
}

// policy is a Policy made ready. It does not change.
type policy struct {
	tokens  []*credential // all of them are compared with, for one time
	byID    map[Hash]*credential
	clients map[string]*client
}

// credential is one way to be a client.
type credential struct {
	id      Hash
	of      *client
	expires time.Time
}

func (c *credential) expired(now time.Time) bool {
	return !c.expires.IsZero() && !now.Before(c.expires)
}

// client is an Entry made ready.
type client struct {
	name   string
	may    []allowance // at most LimitRules = 64, so that a set of them is a word
	limits Limits
	usage  *usage // the same before and after a reload
}

func makePolicy(parsed *Policy, before *policy) *policy {
	p := &policy{byID: map[Hash]*credential{}, clients: map[string]*client{}}
	for i := range parsed.Clients {
		e := &parsed.Clients[i]
		c := &client{name: e.Name, limits: e.Limits, usage: &usage{}}
		if before != nil && before.clients[e.Name] != nil {
			c.usage = before.clients[e.Name].usage
		}
		for _, r := range e.Rules {
			c.may = append(c.may, r.ready())
		}
		for _, t := range e.Tokens {
			one := &credential{id: t.SHA256, of: c, expires: t.Expires}
			p.tokens = append(p.tokens, one)
			p.byID[one.id] = one
		}
		for _, k := range e.Certificates {
			one := &credential{id: k.id(), of: c}
			p.byID[one.id] = one
		}
		p.clients[e.Name] = c
	}
	return p
}

func (r *Rule) ready() (a allowance) {
	for _, right := range r.Rights {
		a.rights |= right
	}
	for _, group := range r.Groups {
		a.groups = append(a.groups, patternOf(group))
	}
	for _, prefix := range r.Prefixes {
		a.names = append(a.names, spanOf(prefix))
	}
	return a
}

// id is a hash that no token has: tokens have no space.
func (c Certificate) id() Hash {
	if c.URI != "" {
		return HashOf("uri " + c.URI)
	}
	return HashOf("subject " + c.Subject)
}

// token finds a token by its hash. Every hash is compared, each in constant
// time, so that the time tells nothing: an unknown token, one that differs in its
// last bit and one that has expired take the same way to the same answer.
func (p *policy) token(id Hash) *credential {
	found := 0
	for i, t := range p.tokens {
		found += (i + 1) * equal(&t.id, &id)
	}
	if found == 0 {
		return nil
	}
	return p.tokens[found-1]
}

// certificate finds the client of a verified certificate. One that is two clients
// is none: nobody could say which was meant.
func (p *policy) certificate(cert *x509.Certificate) *credential {
	found := p.byID[Certificate{Subject: cert.Subject.String()}.id()]
	for _, uri := range cert.URIs {
		one := p.byID[Certificate{URI: uri.String()}.id()]
		switch {
		case one == nil:
		case found != nil && found.of != one.of:
			return nil
		default:
			found = one
		}
	}
	return found
}

func patternOf(group string) pattern {
	name, all := strings.CutSuffix(group, "*")
	return pattern{name, all}
}
