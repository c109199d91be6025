package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/x/term"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// answersFile is where answers are kept when no other file is named.
const answersFile = "workload.yaml"

type adviseAskCmd struct {
	File   string `arg:"" optional:"" name:"FILE.yaml" help:"The description to go on with; a new one if it is not there. Without it, workload.yaml, which must be new."`
	Output string `short:"o" help:"Keep the answers in this file, which must be new, and leave FILE.yaml as it is." placeholder:"NEW.yaml"`
	Plain  bool   `help:"Ask line by line, without a form. It is so anyway where standard input or standard error is no terminal."`
	As     string `help:"The answer at the end: markdown, html, json (which --json means too), or gates." enum:"markdown,html,json,gates" default:"markdown" placeholder:"FORM"`
}

// Help is shown below the flags.
func (*adviseAskCmd) Help() string {
	return `Asks what some rule still waits for, what matters most first, and skips what an answer has made pointless. Each question says why it is asked, and what not knowing costs; an empty answer is "not known". The answers are kept after each of them, so one can stop at any time, and go on by naming the file. At the end the decisions are printed on standard output; questions are on standard error.

Line by line, an answer is a line; /back takes the last one back, /skip passes what is left of the subject, /stop and the end of the input end it. With --json, questions are lines of JSON on standard output ({"question":…}, {"refused":…}), and the last line is {"answer":…}.

Examples:

    mainstem advise
    mainstem advise ask shop.yaml
    mainstem advise ask draft.yaml -o shop.yaml --as html > shop.html
    printf 'shop\n\nno\n/stop\n' | mainstem advise ask new.yaml`
}

// conversation is an interview whose answers are kept in a file.
type conversation struct {
	*ask.Interview
	file string
	new  bool // the file is not there yet
	kept bool // something was written
}

// empty is true where nothing is known.
func (c *conversation) empty() bool { return len(c.Workload().YAML()) == 0 }

func (c *adviseAskCmd) Run(e *env) error {
	talk, err := c.begin(e)
	if err != nil {
		return err
	}
	// The file is new, or the one that was named, and still as it was read.
	ask := talk.plain
	if in, ok := e.in.(*os.File); ok && !c.Plain && !e.json && e.errTerminal && term.IsTerminal(in.Fd()) {
		ask = talk.form
	}
	if err := ask(e); err != nil {
		if talk.kept {
			e.notef("The answers so far are in %s; go on with: mainstem advise ask %s", talk.file, talk.file)
		}
		return err
	}
	answer := advise.Advise(talk.Workload())
	if e.json {
		return e.object(struct {
			Answer *advise.Answer `json:"answer"`
		}{answer})
	}
	if err := errors.Join(e.answer(answer, c.As), e.out.Flush()); err != nil { // what follows is below it on a terminal
		return err
	}
	e.notef("\n%s", talk.farewell(answer))
	return nil
}

// farewell says where things are, and how to go on.
func (c *conversation) farewell(answer *advise.Answer) string {
	decided, open := fmt.Sprintf("Decisions: %d.", len(answer.Decisions)), len(c.Open())
	switch {
	case len(answer.TurnedAway) > 0:
		decided = "It was turned away; the answer says where to turn."
	case open > 0 && len(answer.Decisions) == 0:
		decided = fmt.Sprintf("Nothing could be decided yet. Questions still open: %d.", open)
	case open > 0:
		decided += fmt.Sprintf(" Questions still open: %d.", open)
	}
	var b strings.Builder
	if c.new && !c.kept {
		return "Nothing was answered, so nothing is kept. To begin anew: mainstem advise"
	}
	fmt.Fprintf(&b, "%s The answers are kept in %s. From here:\n", decided, c.file)
	command := "mainstem advise " + c.file
	ways := [][2]string{{"mainstem advise ask " + c.file, "go on with the questions"}, {command, "decide again, after changes by hand"}, {command + " --as html > answer.html", "the answer as a page"}}
	if open == 0 {
		ways = ways[1:]
	}
	for _, w := range ways {
		fmt.Fprintf(&b, "\n    %-*s  %s", len(ways[len(ways)-1][0]), w[0], w[1])
	}
	return b.String()
}

// introduction is what somebody has to know who has read nothing.
const introduction = "This asks about a system whose data is shared, and then says what to decide: consistency, isolation, retries, locks, caches, replication; each with reasons and costs. Not to know is an answer, too. Stop whenever you like: what was decided by then is printed."

// begin reads what is there already, and settles where the answers go.
func (c *adviseAskCmd) begin(e *env) (*conversation, error) {
	if c.File == "-" {
		return nil, misused("keep the description in a file", "answers are read from standard input, so a description cannot be")
	}
	w, file := new(workload.Workload), c.Output
	if c.File != "" {
		text, err := e.input(c.File)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			if w, err = decoded(c.File, text); err != nil {
				return nil, err
			}
			if file == "" && hasComments(text) {
				return nil, misused("name a new file with -o", "%s has comments, which answers written to it would lose", c.File)
			}
		}
		if file == "" {
			return &conversation{Interview: ask.Begin(w), file: c.File, new: errors.Is(err, fs.ErrNotExist)}, nil
		}
	}
	if file == "" {
		file = answersFile
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil, misused("go on with it: mainstem advise ask "+file+"; or name a new one with -o", "%s is there already", file)
	}
	return &conversation{Interview: ask.Begin(w), file: file, new: true}, nil
}

// hasComments is true of a description with lines that are comments.
func hasComments(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			return true
		}
	}
	return false
}

// keep writes the answers so far, whole or not at all.
func (c *conversation) keep() error {
	if err := replaceFile(c.file, c.Workload().YAML()); err != nil {
		return err
	}
	c.kept = true
	return nil
}

// replaceFile writes a file beside it, and then in its place.
func replaceFile(name string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what failed before is what counts
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// news says what an answer has decided: rules that fire now and did not, and
// those that did and do not.
func news(before, after []rules.Rule) (lines []string) {
	has := func(list []rules.Rule, id string) bool {
		for _, r := range list {
			if r.ID == id {
				return true
			}
		}
		return false
	}
	words := map[rules.Kind]string{rules.Boundary: "turned away", rules.Contradiction: "contradiction", rules.Decision: "decided"}
	for _, r := range after {
		if !has(before, r.ID) {
			lines = append(lines, words[r.Kind]+": "+r.Title)
		}
	}
	for _, r := range before {
		if !has(after, r.ID) {
			lines = append(lines, "no longer: "+r.Title)
		}
	}
	return lines
}
