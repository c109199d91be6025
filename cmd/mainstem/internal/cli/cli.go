// Package cli is the command line of mainstem: one file per command.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/mainstemdb/mainstem"
)

// commands is the whole command line. The order is that of the help.
type commands struct {
	JSON bool `name:"json" help:"Print JSON: one object, or one per line for lists. Errors too, on standard error."`

	Get    getCmd    `cmd:"" group:"data" help:"Print the value of a key."`
	Put    putCmd    `cmd:"" group:"data" help:"Set a key."`
	Delete deleteCmd `cmd:"" group:"data" help:"Remove a key."`
	Add    addCmd    `cmd:"" group:"data" help:"Add to a counter, within a floor and a ceiling."`
	Scan   scanCmd   `cmd:"" group:"data" help:"List the groups, or the keys of one group."`
	Append appendCmd `cmd:"" group:"data" help:"Append an event to a stream."`
	Read   readCmd   `cmd:"" group:"data" help:"Read the events of a stream."`
	Txn    txnCmd    `cmd:"" group:"data" help:"Run one transaction, given as JSON on standard input."`
	Feed   feedCmd   `cmd:"" group:"data" help:"Print what has committed, in order, as JSON lines."`
	Watch  watchCmd  `cmd:"" group:"data" help:"Print the keys of a prefix, and every change of one."`
	Lease  leaseCmd  `cmd:"" group:"data" help:"Run a command while holding a lease."`

	Serve  serveCmd  `cmd:"" group:"server" help:"Serve a directory to other processes, machines and languages."`
	Status statusCmd `cmd:"" group:"server" help:"Ask a server what it is and promises."`

	Cluster clusterCmd `cmd:"" group:"server" help:"Several nodes on one log, in PostgreSQL or NATS JetStream."`
	Move    moveCmd    `cmd:"" group:"server" help:"Move a database to another log, while it serves."`
	Config  configCmd  `cmd:"" group:"server" help:"Check a server's settings, or print them with where each comes from."`

	Token tokenCmd `cmd:"" group:"server" help:"Say who may use a server, and for what."`
	Cert  certCmd  `cmd:"" group:"server" help:"Make certificates for a trial of TLS."`

	Import importCmd `cmd:"" group:"bulk" help:"Import JSON lines or CSV; a second run continues the first."`
	Export exportCmd `cmd:"" group:"bulk" help:"Export keys and streams as JSON lines, from one frozen view."`
	Rewind rewindCmd `cmd:"" group:"bulk" help:"Write the keys of a prefix back to an earlier position."`

	Snapshot snapshotCmd `cmd:"" group:"care" help:"Put a snapshot into a store outside of the directory."`
	Restore  restoreCmd  `cmd:"" group:"care" help:"Make a database from a store of snapshots, at any moment that the archive has."`
	Drill    drillCmd    `cmd:"" group:"care" help:"Restore for practice, check everything, and throw it away."`

	Inspect   inspectCmd   `cmd:"" group:"care" help:"Describe the files of a database, changing nothing."`
	VerifyLog verifyLogCmd `cmd:"" group:"care" help:"Check every record of the log, changing nothing."`

	PG pgCmd `cmd:"" name:"pg" group:"pg" help:"Mainstem in the PostgreSQL that you already run."`

	Advise adviseCmd `cmd:"" group:"decide" help:"From the description of a workload to decisions that can be challenged."`

	Demo    demoCmd    `cmd:"" group:"about" help:"Kill a database while shoppers buy from it, and audit what is left."`
	Version versionCmd `cmd:"" group:"about" help:"Print the version."`

	Holder holderCmd `cmd:"" hidden:"" name:"demo-holder" help:"The process that the demo kills."`
}

// groups are the headings of the list of commands.
var groups = []kong.Group{
	{Key: "data", Title: "Keys, streams, transactions"},
	{Key: "server", Title: "Server"},
	{Key: "bulk", Title: "In bulk"},
	{Key: "care", Title: "Care"},
	{Key: "pg", Title: "PostgreSQL"},
	{Key: "decide", Title: "Decide"},
	{Key: "about", Title: "About"},
}

const description = `Work on a Mainstem database in a directory. Its writes are safe to retry: a change, its event and its ID commit together, once.

A key or stream is written GROUP/NAME; "/" inside the group is %2F and "%" is %25. GROUP/ is the group itself. The directory is --dir, else MAINSTEM_DIR, else ./mainstem-data. One process at a time may have it open. With --server, or MAINSTEM_SERVER, a server is asked instead.

Exit codes:

    0    done
    1    another failure, or a promise that the demo found broken
    2    wrong usage: correct the call
    3    not found, or no longer kept
    4    a condition failed; nothing was written
    5    not now, or nobody knows: repeat with the same --id
    6    damaged, or history lost: keep the files as they are
    130  interrupted before its end (feed --follow has no other: 0)`

// Main runs one command and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := newEnv(ctx, stdin, stdout, stderr, slices.Contains(args, "--json"))
	if len(args) == 0 {
		e.overview()
		return e.finish(nil)
	}
	return e.finish(run(e, args))
}

func run(e *env, args []string) error {
	parsed, err := parse(e, args)
	if err != nil || parsed == nil {
		return err
	}
	return parsed.Run(e)
}

// parse reads a command line. It returns nil and no error when help was asked
// for, and printed.
func parse(e *env, args []string) (*kong.Context, error) {
	helped := false
	var c commands
	file := &fromFile{}
	parser, err := kong.New(&c,
		kong.Name("mainstem"),
		kong.Description(description),
		kong.Writers(e.out, e.err),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 96, NoExpandSubcommands: true}),
		kong.ExplicitGroups(groups),
		kong.Help(help),
		kong.Resolvers(file),
		kong.Bind(file),
	)
	if err != nil {
		return nil, err
	}
	if err := checkText(args); err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(negatives(args))
	switch {
	case helped:
		return nil, nil
	case file.err != nil:
		return nil, file.err
	case err != nil:
		return nil, usage(err, parsed)
	}
	e.json = c.JSON
	return parsed, nil
}

// checkText refuses what is not UTF-8 before the parser reads it: the parser
// would put U+FFFD in its place, and two IDs or names would become one.
func checkText(args []string) error {
	for i, a := range args {
		if !utf8.ValidString(a) {
			return misused("names and IDs are UTF-8; give other bytes as a value in a file (put --value-file, append --file) or, with - in its place, on standard input",
				"argument %d, %s, is not valid UTF-8", i+1, shortened(a))
		}
	}
	if dir := os.Getenv("MAINSTEM_DIR"); !utf8.ValidString(dir) {
		return misused("give the directory a name in UTF-8", "MAINSTEM_DIR is %s, which is not valid UTF-8", shortened(dir))
	}
	return nil
}

// shortened is quoted text that does not flood a terminal.
func shortened(text string) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// usage makes a parse error one that says where to look.
func usage(err error, parsed *kong.Context) error {
	command := "mainstem"
	if failed, ok := errors.AsType[*kong.ParseError](err); ok {
		parsed = failed.Context
	}
	if parsed != nil && parsed.Selected() != nil {
		command = parsed.Selected().FullPath()
	}
	p := &problem{Code: "usage", Message: err.Error(), Advice: "see " + command + " --help", exit: exitUsage}
	if wrong, ok := errors.AsType[*mainstem.Error](err); ok {
		p.Message, p.Advice = said(err, wrong), wrong.Help()+"; "+p.Advice
	}
	return p
}

var negative = regexp.MustCompile(`^-[0-9]+$`)

// negatives lets a negative number stand where a number does: the parser takes
// it for a flag. One that is an argument goes behind "--", where it is last
// anyway; one that belongs to a flag is joined to it.
func negatives(args []string) []string {
	var flags, last []string
	for i, a := range args {
		switch {
		case a == "--":
			return append(append(flags, args[i:]...), last...)
		case !negative.MatchString(a):
			flags = append(flags, a)
		case args[max(0, i-1)] == "--floor", args[max(0, i-1)] == "--ceiling":
			flags[len(flags)-1] += "=" + a
		default:
			last = append(last, a)
		}
	}
	if last == nil {
		return flags
	}
	return append(append(flags, "--"), last...)
}
