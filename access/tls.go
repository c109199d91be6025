package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
)

// TLSFiles are the PEM files of a server.
type TLSFiles struct {
	// Certificate is the server's certificate, followed by those between it and
	// its authority; Key its private key.
	Certificate, Key string
	// ClientCA has the authorities whose client certificates count. Empty: no
	// certificate is asked for.
	ClientCA string
	// Optional lets in clients without a certificate, who have a token. One
	// that is shown must be right all the same.
	Optional bool
	// Log is where a certificate that could not be loaded again is told; nil means nowhere.
	Log *slog.Logger
}

// CertificateEvery is how often, at most, a handshake looks whether the files have changed.
const CertificateEvery = time.Second

// TLS is the server's half of TLS 1.3, with HTTP/2 and HTTP/1.1. The files are read
// anew when they change; if they are wrong then, those before stay, which is
// logged. Sessions are not resumed, so every connection shows its certificate anew.
// Files that cannot be used are Invalid.
func TLS(files TLSFiles) (*tls.Config, error) {
	if files.Certificate == "" || files.Key == "" {
		return nil, mainstem.Errorf(mainstem.Invalid, "TLS needs a certificate and its key")
	}
	if files.Optional && files.ClientCA == "" {
		return nil, mainstem.Errorf(mainstem.Invalid, "client certificates are optional, and no authority for them is given")
	}
	if files.Log == nil {
		files.Log = slog.New(slog.DiscardHandler)
	}
	k := &keys{files: files}
	if err := k.load(); err != nil {
		return nil, err
	}
	k.looked = time.Now()
	c := k.config.Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.now(), nil }
	return c, nil
}

// keys are the files of a server as they were loaded.
type keys struct {
	files  TLSFiles
	mu     sync.Mutex
	config *tls.Config
	sum    [32]byte // of the files looked at last
	looked time.Time
	said   string // the last error, which is logged once
}

// now is the configuration for a handshake.
func (k *keys) now() *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	if moment := time.Now(); moment.Sub(k.looked) >= CertificateEvery {
		k.looked = moment
		err := k.load()
		if err != nil && err.Error() != k.said {
			k.files.Log.Error("certificates not loaded, those before stay in use", "error", err.Error())
			k.said = err.Error()
		}
		if err == nil {
			k.said = ""
		}
	}
	return k.config
}

// load reads the files, if they are others than before.
func (k *keys) load() error {
	certificate, err := os.ReadFile(k.files.Certificate)
	if err != nil {
		return mainstem.Errorf(mainstem.Invalid, "certificate: %w", err)
	}
	key, err := os.ReadFile(k.files.Key)
	if err != nil {
		return mainstem.Errorf(mainstem.Invalid, "key: %w", err)
	}
	var authorities []byte
	if k.files.ClientCA != "" {
		if authorities, err = os.ReadFile(k.files.ClientCA); err != nil {
			return mainstem.Errorf(mainstem.Invalid, "authorities of clients: %w", err)
		}
	}
	sum := sha256.Sum256(bytes.Join([][]byte{certificate, key, authorities}, []byte{0}))
	if k.config != nil && sum == k.sum {
		return nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return mainstem.Errorf(mainstem.Invalid, "certificate %s and key %s: %w", k.files.Certificate, k.files.Key, err)
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		NextProtos: []string{"h2", "http/1.1"}, SessionTicketsDisabled: true,
	}
	if k.files.ClientCA != "" {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !c.ClientCAs.AppendCertsFromPEM(authorities) {
			return mainstem.Errorf(mainstem.Invalid, "there is no certificate in %s", k.files.ClientCA)
		}
		if k.files.Optional {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	k.config, k.sum = c, sum
	return nil
}
