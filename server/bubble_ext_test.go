package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/pipe"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/server"
)

// bubble is a server in a bubble, where its timeouts pass at once. What a test
// does with it goes through net/http as always, over connections in memory.
type bubble struct {
	t   *testing.T
	net *pipe.Net
}

// enter starts a server; the cleanup ends it.
func enter(t *testing.T, handler http.Handler) bubble {
	t.Helper()
	b := bubble{t, pipe.New()}
	web := server.HTTP(handler)
	done := make(chan error, 1)
	go func() { done <- web.Serve(b.net) }()
	t.Cleanup(func() {
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return b
}

// http is a client that speaks one version of HTTP.
func (b bubble) http(version2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!version2)
	protocols.SetUnencryptedHTTP2(version2)
	transport := &http.Transport{Protocols: protocols, DialContext: b.net.Dial, TLSClientConfig: new(tls.Config)}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// rpc is a client of the contract, without what package remote adds.
func (b bubble) rpc() mainstemv1connect.DatabaseServiceClient {
	return mainstemv1connect.NewDatabaseServiceClient(b.http(true), "http://pipe")
}

// raw is a connection, for what no client would send.
func (b bubble) raw() net.Conn {
	b.t.Helper()
	c, err := b.net.Dial(context.Background(), "", "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// say writes a text to a raw connection, bit by bit until it has taken so long.
func say(c net.Conn, text string, over time.Duration) error {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return err
		}
		<-time.After(over / time.Duration(len(text)))
	}
	return nil
}

// hear reads an answer of HTTP/1.1; none is status 0.
func hear(c net.Conn) (status int, body string) {
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return r.StatusCode, err.Error()
	}
	return r.StatusCode, string(text)
}

// trickle is a body that comes bit by bit after its beginning, and takes so long.
type trickle struct {
	text  string
	over  time.Duration
	eager int
	at    int
}

func (s *trickle) Read(p []byte) (int, error) {
	if s.at == len(s.text) {
		return 0, io.EOF
	}
	n := max(1, s.eager-s.at)
	if s.at >= s.eager {
		<-time.After(s.over / time.Duration(len(s.text)-s.eager))
	}
	n = copy(p, s.text[s.at:s.at+n])
	s.at += n
	return n, nil
}

// preface begins a connection of HTTP/2; get is the headers of GET / in HPACK's
// static table.
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	get     = "\x82\x84\x86\x01\x01a"
)

// frame is one frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	n := uint32(len(payload))
	head := append([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}, binary.BigEndian.AppendUint32(nil, stream)...)
	return string(head) + payload
}

// readFrame reads the next frame, head and all.
func readFrame(c io.Reader) (string, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(c, head); err != nil {
		return "", err
	}
	payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err := io.ReadFull(c, payload)
	return string(head) + string(payload), err
}
