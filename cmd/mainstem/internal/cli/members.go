package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/embedded"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/remote"
)

type clusterMembersCmd struct{ service }

// Help is shown below the flags.
func (*clusterMembersCmd) Help() string {
	return `Asks a server which nodes its database has: where others reach them, what their programs know, how many records their disks do not have yet, and which partitions they write. A node is listed until it is forgotten, whether or not it runs. With a policy it takes the right admin.

Examples:

    mainstem cluster members
    mainstem cluster members --server http://127.0.0.1:7171 --json`
}

// localServer is asked by commands of operators that name no other.
const localServer = "http://127.0.0.1:7171"

func (c *clusterMembersCmd) Run(e *env) (err error) {
	c.Server = cmp.Or(c.Server, localServer)
	db, err := c.client("")
	if err != nil {
		return err
	}
	defer closing(db, &err)
	all, err := db.Members(e.ctx)
	if err != nil {
		return err
	}
	if e.json {
		for _, m := range all {
			if err := e.object(map[string]any{
				"name": m.Name, "address": m.Address, "zone": m.Zone, "version": m.Version, "newest": m.Newest, "behind": m.Behind,
				"writes": append([]int{}, m.Writes...),
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return printMembers(e, all)
}

func printMembers(e *env, all []remote.Member) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(e.out, "no members: the database is on files of one server")
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tADDRESS\tZONE\tPROGRAM\tKNOWS\tBEHIND\tWRITES")
	for _, m := range all {
		writes := "-"
		if len(m.Writes) > 0 {
			writes = strings.Join(strings.Fields(strings.Trim(fmt.Sprint(m.Writes), "[]")), ",")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", m.Name, cmp.Or(m.Address, "-"), cmp.Or(m.Zone, "-"), cmp.Or(m.Version, "-"), m.Newest, m.Behind, writes)
	}
	return w.Flush()
}

type clusterForgetCmd struct {
	service
	Node string `arg:"" help:"Name of the node, as cluster members shows it."`
}

// Help is shown below the flags.
func (*clusterForgetCmd) Help() string {
	return `Asks a server to record that a node is lost for good. A version that is to be activated, a move, and the agreement of most nodes on a digest wait for it no more. A node that answers is refused: stop it first. One that comes back under its name is a member again.

Repeat it where the exit code is 5. With a policy it takes the right admin.

Examples:

    mainstem cluster forget c
    mainstem cluster forget c --server http://127.0.0.1:7171 --json`
}

func (c *clusterForgetCmd) Run(e *env) (err error) {
	c.Server = cmp.Or(c.Server, localServer)
	db, err := c.client("")
	if err != nil {
		return err
	}
	defer closing(db, &err)
	if err := db.Forget(e.ctx, c.Node); err != nil {
		return err
	}
	if e.json {
		return e.object(map[string]any{"forgotten": c.Node})
	}
	_, err = fmt.Fprintf(e.out, "forgotten: %s\n", c.Node)
	return err
}

// members are those that the log of a database has, of all its partitions.
func members(db *embedded.DB) []*pb.Member {
	byName := map[string]*pb.Member{}
	for _, p := range db.Node().Reports() {
		for _, m := range p.Members {
			one := byName[m.Name]
			if one == nil {
				one = &pb.Member{Name: m.Name, Address: m.Address, Zone: m.Zone, Version: m.Version, Newest: uint32(max(1, m.Newest))}
				byName[m.Name] = one
			}
			one.Behind = max(one.Behind, uint64(p.Index)-min(m.Flushed, uint64(p.Index)))
			if p.Writer == m.Name {
				one.Writes = append(one.Writes, uint32(p.Partition))
			}
		}
	}
	all := make([]*pb.Member, 0, len(byName))
	for _, m := range byName {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *pb.Member) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}

// forgetting is what a server does when it is asked to forget a node.
func forgetting(db *embedded.DB, log *slog.Logger) func(ctx context.Context, node string) error {
	return func(ctx context.Context, node string) error {
		who, _ := access.ClientFrom(ctx)
		err := db.Forget(ctx, node)
		log.Info("a node was to be forgotten", "node", node, "client", who.Name(), "err", err)
		return err
	}
}
