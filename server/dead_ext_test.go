package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// TestDeadReadersHoldNothing: feeds whose readers never read cost the server a small part
// of what waits for them; other feeds and the server's end do not wait for them, and
// their places come free when they go.
func TestDeadReadersHoldNothing(t *testing.T) {
	const readers = 6
	const most = readers * deadRecords * deadSize / 2
	none := heldBy(t, 0)
	used := heldBy(t, readers) - none
	t.Logf("%d dead readers of %d MiB each hold %d MiB, the database alone %d MiB", readers, deadRecords*deadSize>>20, used>>20, none>>20)
	if used > most {
		t.Errorf("that is more than %d MiB", most>>20)
	}
}

// TestDeadReadersLetTheServerLeave: who does not read what waits to be written does not
// hold up the end of the server.
func TestDeadReadersLetTheServerLeave(t *testing.T) {
	behind := mainstemtest.Open(t)
	handler := server.New(behind.Backend())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := server.HTTP(handler)
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	put(t, behind.DB, "g", "first", "v")
	// (A dead connection of HTTP/2 ends by itself after PingTimeout.)
	dead := notReading(t, listener.Addr().String(), false)
	defer dead.Close() // it is only to be there
	value := bytes.Repeat([]byte("v"), deadSize)
	for range 4 * deadRecords {
		if _, err := behind.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", value); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for batch, err := range behind.Changes(t.Context(), mainstem.From{Drain: true}) { // so long have the others had, too
		if err != nil {
			t.Fatal(err, batch)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), server.PartTimeout+5*time.Second)
	defer cancel()
	if err := errors.Join(handler.Drain(ctx), web.Shutdown(ctx)); err != nil {
		t.Errorf("readers that do not read hold it up: %v", err)
	}
	if err := errors.Join(web.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// What is written for the dead readers is more than the system keeps for a connection.
const deadRecords, deadSize = 96, 128 << 10

// heldBy is what a server and its database hold when so many do not read.
func heldBy(t *testing.T, readers int) int64 {
	t.Helper()
	before := inUse()
	behind := mainstemtest.Open(t)
	handler := server.New(behind.Backend())
	handler.Bound(10, int64(readers)+1)
	base := mainstemtest.ServeHandler(t, handler)
	put(t, behind.DB, "g", "first", "v")
	var dead []net.Conn
	for i := range readers {
		dead = append(dead, notReading(t, strings.TrimPrefix(base, "http://"), i%2 == 1))
	}
	live, err := remote.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	value := bytes.Repeat([]byte("v"), deadSize)
	go func() {
		for i := range deadRecords {
			_, err := behind.Group("g").Do(t.Context(), fmt.Sprint(i), func(tx *mainstem.Txn) error { tx.Put("k", value); return nil })
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	seen := 0
	for batch, err := range live.Changes(t.Context(), mainstem.From{Match: mainstem.Match{NamePrefix: "k"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen += len(batch.Changes); seen == deadRecords {
			break
		}
	}
	used := inUse() - before
	for _, c := range dead {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	// Each place is free again, at the latest when writing has failed.
	var all []*http.Response
	for range readers {
		eventually(t, "a reader has the place of a dead one", func() bool {
			response, err := plain.Do(feed(t, base, "follow=true"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, response)
			return response.StatusCode == http.StatusOK
		})
	}
	for _, response := range all {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	return used
}

// notReading is a connection with a feed under way, of which no more is read.
func notReading(t *testing.T, addr string, version2 bool) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	request := "GET /feed?follow=true HTTP/1.1\r\nHost: a\r\n\r\n"
	if version2 { // it opens its window once, for all there will be
		request = preface + frame(4, 0, 0, "\x00\x04\x7f\xff\xff\xff") + frame(8, 0, 0, "\x7f\xff\x00\x00") +
			frame(1, 5, 1, "\x82\x86\x04\x11/feed?follow=true\x01\x01a")
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 9)); err != nil { // it is under way
		t.Fatal(err)
	}
	return c
}
