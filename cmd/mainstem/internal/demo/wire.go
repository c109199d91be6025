package demo

import (
	"bufio"
	"context"
	"encoding/gob"
	"net"
	"time"

	"github.com/mainstemdb/mainstem"
)

// kind is what a call asks of the holder.
type kind uint8

const (
	callFill    kind = iota + 1 // set the stock of an item
	callBuy                     // buy by adding with a floor
	callLook                    // read the stock, and the receipt of an ID
	callCompare                 // buy if the stock was not written since
	callBlind                   // buy by writing the stock without a condition
)

// call is one request. It travels as gob over a Unix socket.
type call struct {
	Kind     kind
	Item     string
	ID       string
	Quantity int64
	Since    mainstem.Position // callCompare: the version that was read
	Left     int64             // callFill, callCompare, callBlind: the stock to write
}

// answer is what came of a call. Code 0 means that it was done.
type answer struct {
	Code     mainstem.Code
	Message  string
	Position mainstem.Position // of the purchase, or of the version read
	Left     int64             // stock afterwards, or stock read
	Known    bool              // callLook: the ID has committed; Position and Left are its receipt's
	Replayed bool
}

const (
	// Bound is how long a call may take to end as unavailable while the
	// database is down.
	Bound = 250 * time.Millisecond
	// callTime is after how long a call that was sent is given up as undecided.
	callTime = 10 * time.Second
)

// client is one shopper's line to the holder. It queues nothing: without a
// connection a call tries once to get one and ends.
type client struct {
	socket string
	remote *mainstem.DB // asked instead of the socket, unless nil
	conn   net.Conn
	out    *bufio.Writer
	enc    *gob.Encoder
	dec    *gob.Decoder
}

// do makes one call. What could not be sent whole is unavailable: the holder
// cannot have run it. What was sent and not answered is undecided.
func (c *client) do(ctx context.Context, q call) answer {
	if c.remote != nil {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		return answered(handle(ctx, c.remote.Group(q.Item), q))
	}
	if c.conn == nil {
		dialer := net.Dialer{Timeout: Bound}
		conn, err := dialer.DialContext(ctx, "unix", c.socket)
		if err != nil {
			return answer{Code: mainstem.Unavailable, Message: err.Error()}
		}
		c.conn, c.out = conn, bufio.NewWriter(conn)
		c.enc, c.dec = gob.NewEncoder(c.out), gob.NewDecoder(bufio.NewReader(conn))
	}
	_ = c.conn.SetDeadline(time.Now().Add(callTime)) // fails on a closed connection, as the next line does
	err := c.enc.Encode(q)
	if err == nil {
		err = c.out.Flush()
	}
	if err != nil {
		c.close()
		return answer{Code: mainstem.Unavailable, Message: err.Error()}
	}
	var a answer
	if err := c.dec.Decode(&a); err != nil {
		c.close()
		return answer{Code: mainstem.Undecided, Message: err.Error()}
	}
	return a
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is waiting in it that matters
		c.conn = nil
	}
}
