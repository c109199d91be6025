package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem"
)

type certCmd struct {
	Dev certDevCmd `cmd:"" help:"Make an authority and certificates for a trial of TLS."`
}

// Help is shown below the flags.
func (*certCmd) Help() string {
	return `For development and tests only. In service, take certificates from an authority whose key is not beside them.

Examples:

    mainstem cert dev certs
    mainstem serve --tls-cert certs/server.pem --tls-key certs/server-key.pem`
}

type certDevCmd struct {
	Dir  string   `arg:"" help:"Directory for the files; made if there is none."`
	Host []string `help:"Name or address by which clients reach the server; localhost and loopback are there anyway. Can be repeated." placeholder:"HOST"`
}

// Help is shown below the flags.
func (*certDevCmd) Help() string {
	return `Writes ca.pem, server.pem, client.pem and a key to each, with P-256, good for 90 days, readable by their owner only. It overwrites nothing. A policy knows the client by its subject, CN=dev.

Examples:

    mainstem cert dev certs
    mainstem cert dev certs --host db1.example --host 10.0.0.7 --json`
}

// devDays is how long development certificates are good.
const devDays = 90

func (c *certDevCmd) Run(e *env) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"ca", "server", "client"} {
		for _, file := range []string{name + ".pem", name + "-key.pem"} {
			if _, err := os.Lstat(filepath.Join(c.Dir, file)); !errors.Is(err, fs.ErrNotExist) {
				return mainstem.Errorf(mainstem.Exists, "%s is there, or cannot be looked at; nothing was written", filepath.Join(c.Dir, file))
			}
		}
	}
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range c.Host {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	until := time.Now().AddDate(0, 0, devDays).UTC().Truncate(time.Second)
	ca := &signed{template: &x509.Certificate{
		Subject: pkix.Name{CommonName: "Mainstem development authority"}, IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	client := &x509.Certificate{Subject: pkix.Name{CommonName: "dev"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, one := range []struct {
		name string
		cert *signed
	}{{"ca", ca}, {"server", &signed{template: server}}, {"client", &signed{template: client}}} {
		if err := one.cert.sign(ca, until); err != nil {
			return err
		}
		if err := one.cert.write(c.Dir, one.name); err != nil {
			return err
		}
	}
	return e.done(map[string]any{"dir": c.Dir, "until": timeOf(until)}, "certificates and keys are in %s, good until %s", shell(c.Dir), timeOf(until))
}

// signed is a certificate with its key.
type signed struct {
	template *x509.Certificate
	key      *ecdsa.PrivateKey
	der      []byte
}

// sign makes the key, and has the certificate signed by an authority or by itself.
func (s *signed) sign(by *signed, until time.Time) (err error) {
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if s.template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return err
	}
	// Clocks of two machines differ; the certificate is good on the one behind too.
	s.template.NotBefore, s.template.NotAfter = time.Now().Add(-time.Hour), until
	s.template.KeyUsage |= x509.KeyUsageDigitalSignature
	s.der, err = x509.CreateCertificate(rand.Reader, s.template, by.template, &s.key.PublicKey, by.key)
	return err
}

func (s *signed) write(dir, name string) error {
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return err
	}
	return errors.Join(
		create(filepath.Join(dir, name+"-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		create(filepath.Join(dir, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.der})))
}

// create writes a file that must not be there, for its owner only.
func create(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("nothing is overwritten: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
