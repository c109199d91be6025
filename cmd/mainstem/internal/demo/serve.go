package demo

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/logurl"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// Holder is the process that holds the database and is killed.
type Holder struct {
	Dir, Socket string
	Listen      string // where to serve the database as a server does, instead of on Socket
	PowerSeed   uint64 // seed of the power cuts; 0 for none
	// Node, Log, Peer and Reach are those of a node of a cluster: its name, the URL of
	// its log, the address for others, and by which address it reaches which.
	Node, Log, Peer string
	Reach           map[string]string
	Parent          io.Reader    // ends when the parent wants a clean stop, or dies
	Ready           func() error // tells the parent that calls are answered
}

// Hold serves calls until the parent goes.
func Hold(ctx context.Context, h Holder) error {
	db, err := h.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // a clean end closes it below, and hears how
	end, err := h.answer(ctx, db)
	if err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, h.Parent) // an end by error is an end
	}()
	if err := h.Ready(); err != nil {
		return err
	}
	select {
	case <-gone:
	case <-ctx.Done():
	case <-db.Done():
		return fmt.Errorf("the database stopped by itself: %w", db.Err())
	}
	return errors.Join(end(), db.Close())
}

// answer begins to answer calls, until end.
func (h Holder) answer(ctx context.Context, db *embedded.DB) (end func() error, err error) {
	if h.Listen != "" {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Listen)
		if err != nil {
			return nil, err
		}
		web := server.HTTP(server.New(db.Backend(), server.Promise(db.Guarantees), server.Health(db.Err)))
		go func() { _ = web.Serve(listener) }() // it ends with end
		if h.Peer == "" {
			return web.Close, nil
		}
		others, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Peer)
		if err != nil {
			return nil, errors.Join(err, web.Close())
		}
		direct := server.HTTP(server.New(db.Direct(), server.Promise(db.Guarantees), server.Health(db.Err)))
		go func() { _ = direct.Serve(others) }() // it ends with end
		return func() error { return errors.Join(web.Close(), direct.Close()) }, nil
	}
	if err := os.Remove(h.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", h.Socket)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(ctx, db, conn)
		}
	}()
	return listener.Close, nil
}

// open opens the database of one run, over a disk that forgets what was not synced if
// the power is cut, or as a node of a cluster.
func (h Holder) open(ctx context.Context) (*embedded.DB, error) {
	opts := []embedded.Option{embedded.Memory(128 << 20)}
	if h.PowerSeed != 0 {
		power, err := disk.NewPower(disk.Default, disk.PowerConfig{Dir: h.Dir, Seed: h.PowerSeed, Early: 0.3})
		if err != nil {
			return nil, err
		}
		opts = append(opts, embedded.OnDisk(power))
	}
	if h.Log != "" {
		var url logurl.URL
		if err := url.UnmarshalText([]byte(h.Log)); err != nil {
			return nil, err
		}
		logs, err := url.Open(ctx, false)
		if err != nil {
			return nil, err
		}
		opts = append(opts, embedded.Cluster(logs, h.Node, node.Shared{Address: h.Peer, Dial: h.dial, Patience: time.Second}))
	}
	return embedded.Open(ctx, filepath.Join(h.Dir, "database"), opts...)
}

// dial reaches another node by this one's way to it.
func (h Holder) dial(address string) (mainstem.Backend, error) {
	way, ok := h.Reach[address]
	if !ok {
		return nil, mainstem.Errorf(mainstem.Unavailable, "there is no way to %s", address)
	}
	db, err := remote.Open("http://"+way, remote.Hedge(0))
	if err != nil {
		return nil, err
	}
	return db.Backend(), nil
}

// serve answers the calls of one connection, one after the other.
func serve(ctx context.Context, db *embedded.DB, conn net.Conn) {
	defer func() { _ = conn.Close() }() // the other end is gone
	in, out := gob.NewDecoder(bufio.NewReader(conn)), bufio.NewWriter(conn)
	enc := gob.NewEncoder(out)
	for {
		var q call
		if err := in.Decode(&q); err != nil {
			return
		}
		a := answered(handle(ctx, db.Group(q.Item), q))
		if enc.Encode(a) != nil || out.Flush() != nil {
			return
		}
	}
}

// answered puts an error into the answer.
func answered(a answer, err error) answer {
	if err == nil {
		return a
	}
	code := mainstem.CodeOf(err)
	if code == 0 {
		code = mainstem.Invalid
	}
	return answer{Code: code, Message: err.Error()}
}

func handle(ctx context.Context, g mainstem.Group, q call) (answer, error) {
	switch q.Kind {
	case callLook:
		return look(ctx, g, q)
	case callFill:
		r, err := g.Do(ctx, q.ID, func(tx *mainstem.Txn) error {
			tx.Set(stockKey, q.Left)
			return nil
		})
		if err != nil {
			return answer{}, err
		}
		return answer{Position: r.Position, Left: q.Left, Replayed: r.Replayed}, nil
	case callBuy, callCompare, callBlind:
		return purchase(ctx, g, q)
	default:
		return answer{}, mainstem.Errorf(mainstem.Invalid, "no call of kind %d", q.Kind)
	}
}

// The names in an item's group.
const (
	stockKey     = "stock"
	orderPrefix  = "order/" // + ID; the value is the quantity
	ordersStream = "orders" // one event per order; the data is the ID
	orderPlaced  = "order.placed.v1"
)

// purchase is the one transaction of the demo: stock, order, event, and what
// is left as the reply, all or nothing, once under its ID.
func purchase(ctx context.Context, g mainstem.Group, q call) (answer, error) {
	r, err := g.Do(ctx, q.ID, func(tx *mainstem.Txn) error {
		switch q.Kind {
		case callBuy:
			tx.Add(stockKey, -q.Quantity, mainstem.Floor(0))
		case callCompare:
			tx.Require(mainstem.KeyUnchanged{Name: stockKey, Since: q.Since})
			tx.Set(stockKey, q.Left)
		default: // callBlind: whatever was read, it is overwritten
			tx.Set(stockKey, q.Left)
		}
		tx.Put(orderPrefix+q.ID, strconv.AppendInt(nil, q.Quantity, 10))
		tx.Append(ordersStream, mainstem.Event{Type: orderPlaced, Data: []byte(q.ID)})
		if q.Kind != callBuy { // an addition's result is in the receipt already
			tx.Reply(strconv.AppendInt(nil, q.Left, 10))
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return receiptAnswer(r)
}

// receiptAnswer takes what is left from the receipt, never from the call: a
// replayed receipt is that of another call.
func receiptAnswer(r *mainstem.Receipt) (answer, error) {
	a := answer{Position: r.Position, Replayed: r.Replayed}
	if len(r.Reply) == 0 {
		if len(r.Results) == 0 {
			return a, mainstem.Errorf(mainstem.Corrupt, "the receipt at %s has neither reply nor results", r.Position)
		}
		a.Left = r.Results[0].Counter
		return a, nil
	}
	left, err := strconv.ParseInt(string(r.Reply), 10, 64)
	a.Left = left
	return a, err
}

// look reads the stock and, when asked for an ID, whether it has committed:
// one view, so that both are of the same moment.
func look(ctx context.Context, g mainstem.Group, q call) (answer, error) {
	view, err := g.View(ctx, mainstem.Latest())
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = view.Close() }() // only read
	if q.ID != "" {
		r, err := view.Receipt(ctx, q.ID)
		if err != nil {
			return answer{}, err
		}
		if r != nil {
			a, err := receiptAnswer(r)
			a.Known, a.Replayed = true, true
			return a, err
		}
	}
	v, err := view.Get(ctx, stockKey)
	return answer{Position: v.Position, Left: v.Value.Int}, err
}
