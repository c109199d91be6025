package remote

import (
	"context"
	"errors"
	"net"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Member is what a node of the database has said of itself in the log, last.
type Member struct {
	Name, Address, Zone string
	Version             string // of its program
	Newest              int    // the highest version of records that it knows
	Behind              uint64 // how many records its disk does not have, at most
	Writes              []int  // the partitions of which it wrote the newest record
}

// Members are the nodes of the database, by name, as a server knows them: the right
// admin. Of a database on files there are none.
func (db *DB) Members(ctx context.Context) (all []Member, err error) {
	err = db.client.each(func(s *server) (bool, error) {
		r, err := call(ctx, s, db.client.timeout, s.admin.Members, &pb.MembersRequest{})
		if err != nil {
			err = wire.Failure(err, mainstem.Unavailable)
			return !elsewhere(err), err
		}
		for _, m := range r.GetMembers() {
			one := Member{Name: m.GetName(), Address: m.GetAddress(), Zone: m.GetZone(), Version: m.GetVersion(), Newest: int(m.GetNewest()), Behind: m.GetBehind()}
			for _, p := range m.GetWrites() {
				one.Writes = append(one.Writes, int(p))
			}
			all = append(all, one)
		}
		return true, nil
	})
	return all, err
}

// Forget takes a node that is lost for good out of the members: the right admin. A node
// that answers is Invalid to forget, and so is one that is no member, any more or at all.
// Undecided says that it may have been done: repeating it is safe.
func (db *DB) Forget(ctx context.Context, node string) error {
	return db.client.each(func(s *server) (bool, error) {
		_, err := call(ctx, s, db.client.timeout, s.admin.Forget, &pb.ForgetRequest{Node: node})
		if err != nil {
			said := unanswered(err)
			return !elsewhere(said), said
		}
		return true, nil
	})
}

// unanswered is the end of a call that may have changed something: Undecided unless the
// server said what it came to, or cannot have heard of it.
func unanswered(err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return wire.Failure(err, mainstem.Unavailable)
	}
	e := wire.Failure(err, mainstem.Undecided)
	if e.Code == mainstem.Undecided && e.Advice == "" {
		e.Advice = "repeat the call, which is safe"
	}
	return e
}
