package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token for a new client, and print it once."`
	List   tokenListCmd   `cmd:"" help:"List the clients of a policy, and what each of them may do."`
	Remove tokenRemoveCmd `cmd:"" help:"Remove a client: its next request is refused."`
}

// Help is shown below the flags.
func (*tokenCmd) Help() string {
	return `A policy is a file that says who may use a server, and for what. Tokens are in it as hashes only: who reads it can use none. A server reads it anew within seconds of a change.

Examples:

    mainstem token create web --rights read,write --group 'orders-*' > web.token
    mainstem serve --policy tokens.yaml`
}

// policyFile is the file that a command works on.
type policyFile struct {
	File string `help:"The policy." env:"MAINSTEM_POLICY" default:"tokens.yaml" placeholder:"FILE"`
}

// change replaces the file by what edit makes of it, at once and as a whole. The new
// file is made first, and only one can be: so it is the lock as well.
func (p policyFile) change(edit func(text []byte) ([]byte, error)) (err error) {
	next := p.File + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &problem{
			Code: mainstem.Held.String(), Message: next + " is there: another command is changing the policy, or was cut off",
			Advice: "repeat it; if none is running, remove that file", exit: exitCondition,
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next))
		}
	}()
	text, err := os.ReadFile(p.File)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		text, err = edit(text)
	}
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, p.File)
}

type tokenCreateCmd struct {
	policyFile
	Name    string         `arg:"" help:"Name of the client: the actor of its transactions."`
	Rights  []access.Right `required:"" help:"What it may do: read, write, feed; or admin, alone." placeholder:"RIGHT,…"`
	Group   []string       `required:"" sep:"none" help:"A group, or what groups begin with, followed by *. Can be repeated." placeholder:"GROUP"`
	Prefix  []string       `sep:"none" help:"What names begin with: keys, streams, leases, topics and its own IDs. Can be repeated; none means every name." placeholder:"PREFIX"`
	Expires time.Duration  `help:"After how long the token is refused; none means never." placeholder:"DURATION"`
}

// Help is shown below the flags.
func (*tokenCreateCmd) Help() string {
	return `Prints the token on standard output, and nothing else there. It cannot be shown again. The file is made if there is none, readable by its owner only. Further rules, limits and certificates are written into it by hand.

Examples:

    mainstem token create web --rights read,write --group 'orders-*' --prefix stock/ > web.token
    mainstem token create ship --rights feed --group '*' --expires 720h --file tokens.yaml --json
    mainstem token create operator --rights admin --group '*'`
}

func (c *tokenCreateCmd) Run(e *env) error {
	if c.Expires < 0 {
		return misused("give a duration from now, as 720h", "--expires %s is in the past", c.Expires)
	}
	secret := access.NewToken()
	token := access.Token{SHA256: access.HashOf(secret)}
	if c.Expires > 0 {
		token.Expires = time.Now().Add(c.Expires).UTC().Truncate(time.Second)
	}
	client := access.Entry{
		Name: c.Name, Tokens: []access.Token{token},
		Rules: []access.Rule{{Rights: c.Rights, Groups: c.Group, Prefixes: c.Prefix}},
	}
	if err := c.change(func(text []byte) ([]byte, error) { return access.Add(text, client) }); err != nil {
		return fmt.Errorf("policy %s: %w", c.File, err)
	}
	if e.json {
		return e.object(struct {
			File  string `json:"file"`
			Token string `json:"token"`
			clientJSON
		}{c.File, secret, jsonOf(&client)})
	}
	e.notef("client %s is in %s; its token is shown here and never again", shell(c.Name), shell(c.File))
	_, err := fmt.Fprintln(e.out, secret)
	return err
}

type tokenListCmd struct {
	policyFile
}

// Help is shown below the flags.
func (*tokenListCmd) Help() string {
	return `Shows no token: the policy has none.

Examples:

    mainstem token list --file tokens.yaml
    mainstem token list --json`
}

func (c *tokenListCmd) Run(e *env) error {
	text, err := os.ReadFile(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		return notFound("name it with --file, or make one: mainstem token create", "there is no policy %s", c.File)
	}
	if err != nil {
		return err
	}
	policy, err := access.Parse(text)
	if err != nil {
		return fmt.Errorf("policy %s: %w", c.File, err)
	}
	for i := range policy.Clients {
		one := &policy.Clients[i]
		if e.json {
			err = e.object(jsonOf(one))
		} else {
			_, err = fmt.Fprintln(e.out, described(one))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// described is a client on one line.
func described(c *access.Entry) string {
	var parts []string
	for _, r := range c.Rules {
		var rights []string
		for _, one := range r.Rights {
			rights = append(rights, one.String())
		}
		part := strings.Join(rights, ",") + " on " + strings.Join(r.Groups, " ")
		if len(r.Prefixes) > 0 {
			part += " names " + strings.Join(r.Prefixes, " ")
		}
		parts = append(parts, part)
	}
	for _, t := range c.Tokens {
		switch {
		case t.Expires.IsZero():
			parts = append(parts, "token")
		case t.Expires.After(time.Now()):
			parts = append(parts, "token until "+timeOf(t.Expires))
		default:
			parts = append(parts, "token EXPIRED "+timeOf(t.Expires))
		}
	}
	for _, k := range c.Certificates {
		parts = append(parts, "certificate "+k.URI+k.Subject)
	}
	return shell(c.Name) + "  " + strings.Join(parts, "; ")
}

// clientJSON is a client of a policy in JSON, with the names of the file.
type clientJSON struct {
	Name         string              `json:"name"`
	Tokens       []map[string]string `json:"tokens,omitempty"`
	Certificates []map[string]string `json:"certificates,omitempty"`
	Rules        []ruleJSON          `json:"rules"`
	Limits       map[string]int      `json:"limits,omitempty"`
}

type ruleJSON struct {
	Rights   []access.Right `json:"rights"`
	Groups   []string       `json:"groups"`
	Prefixes []string       `json:"prefixes,omitempty"`
}

func jsonOf(c *access.Entry) clientJSON {
	out := clientJSON{Name: c.Name, Limits: map[string]int{}}
	for _, t := range c.Tokens {
		one := map[string]string{"sha256": t.SHA256.String()}
		if !t.Expires.IsZero() {
			one["expires"] = timeOf(t.Expires)
		}
		out.Tokens = append(out.Tokens, one)
	}
	for _, k := range c.Certificates {
		one := map[string]string{"uri": k.URI}
		if k.URI == "" {
			one = map[string]string{"subject": k.Subject}
		}
		out.Certificates = append(out.Certificates, one)
	}
	for _, r := range c.Rules {
		out.Rules = append(out.Rules, ruleJSON(r))
	}
	l := c.Limits
	for name, n := range map[string]int{"requests": l.Requests, "burst": l.Burst, "concurrent": l.Concurrent, "feeds": l.Feeds, "bytes": l.Bytes} {
		if n > 0 {
			out.Limits[name] = n
		}
	}
	return out
}

type tokenRemoveCmd struct {
	policyFile
	Name string `arg:"" help:"Name of the client."`
}

// Help is shown below the flags.
func (*tokenRemoveCmd) Help() string {
	return `Removes the client with all of its tokens, certificates and rules. A server that has the policy refuses its next request within seconds, on open connections too.

Examples:

    mainstem token remove web --file tokens.yaml`
}

func (c *tokenRemoveCmd) Run(e *env) error {
	err := c.change(func(text []byte) ([]byte, error) { return access.Remove(text, c.Name) })
	if errors.Is(err, access.ErrNoClient) {
		return notFound("see who there is: mainstem token list", "policy %s has no client %s", c.File, shell(c.Name))
	}
	if err != nil {
		return fmt.Errorf("policy %s: %w", c.File, err)
	}
	return e.done(map[string]any{"removed": c.Name, "file": c.File}, "client %s is removed from %s", shell(c.Name), shell(c.File))
}
