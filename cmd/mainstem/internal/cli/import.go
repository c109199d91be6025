package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

type importCmd struct {
	database
	File    string   `arg:"" name:"FILE" help:"JSON lines, or CSV when the name ends in .csv or --columns is given. It is read twice, so it cannot be a pipe."`
	Key     string   `help:"Where each line goes: {sku} stands for what the line has in column or field sku, {{ for a brace. Without it the lines are those of export." placeholder:"'GROUP/{COLUMN}'"`
	Columns []string `help:"Names of the columns of a CSV file without a header line." placeholder:"A,B"`
	SkipBad bool     `help:"Leave bad lines out, naming the first ten, and import the others."`
}

// Help is shown below the flags.
func (*importCmd) Help() string {
	return `Each line becomes one key: the template makes its name, the line, as a JSON object, its value. An existing key is overwritten. The file is read once to check every line, and nothing is written if one is bad; bad lines are named by number, on standard error, where progress is told too. Then lines of one group that stand near each other are written together.

Every line belongs to a transaction whose ID is made of the file's hash and a line number. So an import that was cut off is simply run again, with the same file, --key and --columns: within the age for which IDs are kept (24 hours) what it has written is not written again, even where somebody has changed it since.

Examples:

    mainstem import prices.csv --key 'item-{sku}/price'
    mainstem import groceries.csv --columns member,date,item --key 'member-{member}/{date} {item}'
    mainstem import users.jsonl --key 'users/{id}'
    mainstem export > all.jsonl && mainstem import all.jsonl --dir ./copy`
}

// importJSON is the result of an import.
type importJSON struct {
	Lines        int    `json:"lines"`
	Bad          int    `json:"bad"`
	Keys         int    `json:"keys"`
	Events       int    `json:"events"`
	Transactions int    `json:"transactions"`
	Replayed     int    `json:"replayed"`
	Import       string `json:"import"` // the part that all IDs of this import share
}

func (c *importCmd) Run(e *env) (err error) {
	started := time.Now()
	rows, err := c.reader()
	if err != nil {
		return err
	}
	file, err := c.source()
	if err != nil {
		return err
	}
	defer closing(file, &err)
	hash := sha256.New()
	// Other keys, or lines batched otherwise, are another import: one ID must
	// never stand for two sets of lines.
	fmt.Fprintf(hash, "%d %d %q %q\n", window, batchBytes, c.Key, c.Columns)
	good, bad, err := check(rows(io.TeeReader(file, hash)))
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.File, err)
	}
	for _, r := range bad[:min(len(bad), maxNamed)] {
		e.notef("line %d: %s", r.line, problemOf(r.err).Message)
	}
	if len(bad) > 0 && !c.SkipBad {
		return c.refuse(bad)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	load := loader{
		env: e, db: db, hash: hex.EncodeToString(hash.Sum(nil)[:8]),
		bar: newBar(e, "import", good),
	}
	err = load.all(rows(file))
	load.bar.end()
	if err != nil {
		return stopped(load.sum.Lines, err)
	}
	load.sum.Bad, load.sum.Import = len(bad), load.hash
	if e.json {
		return e.object(load.sum)
	}
	sum := load.sum
	_, err = fmt.Fprintf(e.out, "imported %s (%s, %s) in %s, %d of them there before, in %s\n", counted(sum.Lines, "line"), counted(sum.Keys, "key"),
		counted(sum.Events, "event"), counted(sum.Transactions, "transaction"), sum.Replayed, time.Since(started).Round(10*time.Millisecond))
	return err
}

// source opens the file, which must be one: it is read twice.
func (c *importCmd) source() (*os.File, error) {
	twice := misused("save it as a file: it is read twice, to check every line first", "%s is not a file", c.File)
	if c.File == "-" {
		return nil, twice
	}
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = twice
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, err
	}
	return file, nil
}

// stopped says of an import that ended early whether the same command can go on.
func stopped(lines int, err error) error {
	p := *problemOf(err)
	p.Message = fmt.Sprintf("import stopped after %s: %s", counted(lines, "line"), p.Message)
	p.Condition = 0 // it counts within a transaction that nobody wrote by hand
	again := "then run the same command: it goes on there"
	switch {
	case mainstem.CodeOf(err) == mainstem.Conflict: // the only condition is the length of a stream
		again = "an event with a number is written only as the next of its stream: another --dir begins with empty streams, " +
			"and without \"number\" events go to the end; the same command would stop there again"
		p.Advice = ""
	case p.exit == exitRepeat, p.exit == exitInterrupted:
		p.Advice = ""
		again = "run the same command again: it goes on there"
	}
	p.Advice = strings.TrimPrefix(p.Advice+"; "+again, "; ")
	return &p
}

// maxNamed bounds how many bad lines are named one by one.
const maxNamed = 10

// reader chooses the format.
func (c *importCmd) reader() (func(io.Reader) iter.Seq2[row, error], error) {
	isCSV := c.Columns != nil || strings.EqualFold(filepath.Ext(c.File), ".csv")
	if c.Key == "" {
		if isCSV {
			return nil, misused(`add it, for example --key 'item-{sku}/price'`, "a CSV file needs --key")
		}
		return func(r io.Reader) iter.Seq2[row, error] { return jsonRows(r, nil) }, nil
	}
	key, err := parseTemplate(c.Key)
	if err != nil {
		return nil, err
	}
	if isCSV {
		return func(r io.Reader) iter.Seq2[row, error] { return csvRows(r, key, c.Columns) }, nil
	}
	return func(r io.Reader) iter.Seq2[row, error] { return jsonRows(r, &key) }, nil
}

// check counts the good rows and collects the bad ones, the first maxBad.
func check(rows iter.Seq2[row, error]) (good int, bad []row, err error) {
	const maxBad = 1_000_000
	for r, err := range rows {
		switch {
		case err != nil:
			return good, bad, err
		case r.err == nil:
			good++
		case len(bad) == maxBad:
			return good, bad, errors.New("more than a million bad lines: this is not the format meant")
		default:
			bad = append(bad, row{line: r.line, err: r.err})
		}
	}
	return good, bad, nil
}

func (c *importCmd) refuse(bad []row) error {
	what := fmt.Sprintf("line %d: %s", bad[0].line, problemOf(bad[0].err).Message)
	if len(bad) > 1 {
		what = fmt.Sprintf("%d lines are bad, the first is %s", len(bad), what)
	}
	return &problem{
		Code: "invalid", Message: c.File + ": " + what + "; nothing was written", exit: exitUsage,
		Advice: "correct the file, or import the rest with --skip-bad",
	}
}
