package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/remote"
)

// service is a server that a command asks instead of opening a directory.
type service struct {
	Server    string `help:"Ask this server instead of a directory, for example http://127.0.0.1:7171; several of one database with commas." env:"MAINSTEM_SERVER" placeholder:"URL"`
	TokenFile string `help:"File with the token for the server." env:"MAINSTEM_TOKEN_FILE" placeholder:"FILE"`
	CA        string `name:"tls-ca" help:"File with the certificates that vouch for the server, instead of the system's." env:"MAINSTEM_TLS_CA" placeholder:"FILE"`
	Cert      string `name:"tls-cert" help:"File with this client's certificate." env:"MAINSTEM_TLS_CERT" placeholder:"FILE"`
	Key       string `name:"tls-key" help:"File with the key of --tls-cert." env:"MAINSTEM_TLS_KEY" placeholder:"FILE"`
}

// reachTime is how long a server may take to say that it is there.
const reachTime = 10 * time.Second

// reach makes a client of a server that answers. Without looking, a write under an ID
// of the library's would be repeated until one does, and say nothing.
func (s service) reach(ctx context.Context, dir string) (*mainstem.DB, error) {
	db, err := s.client(dir)
	if err != nil {
		return nil, err
	}
	looking, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	_, err = db.Status(looking)
	if err != nil && looking.Err() != nil && ctx.Err() == nil {
		err = mainstem.Errorf(mainstem.Unavailable, "%s does not answer within %s", s.Server, reachTime)
	}
	if mainstem.CodeOf(err) == mainstem.Unavailable {
		return nil, errors.Join(err, db.Close())
	}
	return db.DB, nil
}

func (s service) client(dir string) (*remote.DB, error) {
	if dir != "" {
		return nil, misused("give one of them, by flag or environment (MAINSTEM_DIR, MAINSTEM_SERVER)", "both a directory, %s, and a server, %s, are given", dir, s.Server)
	}
	var opts []remote.Option
	if s.TokenFile != "" {
		opts = append(opts, remote.Bearer(s.token))
	}
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	return remote.Open(s.Server, append(opts, remote.TLS(config))...)
}

// token is read for each request, so that a new one counts at once. It is never
// an argument: those are in everybody's list of processes.
func (s service) token() (string, error) {
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}

func (s service) tls() (*tls.Config, error) {
	config := new(tls.Config)
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, misused("name a file in PEM, as mainstem cert dev writes ca.pem", "%s has no certificate", s.CA)
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, misused("give both", "--tls-cert and --tls-key belong together")
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, misused("name a certificate and its key in PEM", "%s and %s: %v", s.Cert, s.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// mistakes are what the first call of somebody new runs into, by what the network
// says of it, and what to do. Where its words change, TestFirstMistakes is red.
var mistakes = []struct{ said, advice string }{
	{"connection refused", "nothing listens there: start a server with mainstem serve, or name where it is with --server; the port is 7171 unless chosen"},
	{"no such host", "check the name of the server"},
	{"server gave HTTP response to HTTPS client", "that server has no TLS: write http://"},
	{"first record does not look like a TLS handshake", "what answers there has no TLS: write http://, or check the port"},
	{"http2: frame too large", otherService},
	{"client conn could not be established", otherService},
	{"unexpected EOF", otherService},
	{"connection reset by peer", otherService},
	{"broken pipe", otherService},
	{"certificate required", "that server asks its clients for a certificate: name yours with --tls-cert and --tls-key"},
	{"signed by unknown authority", "name the file of the authority that vouches for the server with --tls-ca"},
	{"unauthenticated", "name the file of your token with --token-file; mainstem token create makes one"},
}

// otherService is the advice where a connection broke. Which of these words comes is
// a matter of time, also where a server with TLS or another service is asked.
const otherService = "repeat; if it stays so, the server may have TLS: write https://, or want a certificate of its clients: --tls-cert and --tls-key, or another service has this port"

// unreached is advice where no server was reached, or the wrong one. Empty where
// nothing better is known than what the error says itself.
func unreached(e *mainstem.Error) string {
	if e.Code != mainstem.Unavailable && e.Code != mainstem.Denied {
		return ""
	}
	for _, m := range mistakes {
		if strings.Contains(e.Message, m.said) {
			return m.advice
		}
	}
	return ""
}
