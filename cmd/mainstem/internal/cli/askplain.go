package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// limitAnswer is the longest line that is read as an answer, in bytes.
const limitAnswer = 64 << 10

// plain asks line by line, without colours.
func (c *conversation) plain(e *env) error {
	lines := readLines(e.ctx, e.in)
	echo := !isTerminal(e.in) // so that what was read stands where it would have been typed
	e.notef("%s\nA line is an answer, an empty one says that it is not known. /back takes the last answer back, /skip passes the subject, /stop ends it. Answers are kept in %s.", introduction, c.file)
	section := ""
	for q, more := c.Next(); more; q, more = c.Next() {
		if q.Section != section {
			section = q.Section
			e.notef("\n== %s (questions open: %d)", section, len(c.Open()))
		}
		if err := e.question(q); err != nil {
			return err
		}
		var line heard
		ok := false
		select {
		case line, ok = <-lines:
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
		if echo {
			e.notef("%s", line.text)
		}
		switch {
		case line.err != nil:
			return misused("an answer has 1000 characters at most", "%v", line.err)
		case !ok && c.new && c.empty():
			return misused("answers are lines of it, or of a terminal; mainstem advise init > shop.yaml is a description to fill in", "standard input has ended before the first answer")
		case !ok || line.text == "/stop":
			return c.ended()
		}
		before := c.Fired()
		if err := c.hear(line.text); err != nil {
			if err := e.refused(err); err != nil {
				return err
			}
			continue
		}
		for _, one := range news(before, c.Fired()) {
			e.notef("  -> %s", one)
		}
		if err := c.keep(); err != nil {
			return err
		}
	}
	return c.ended()
}

// ended keeps what is known, if nobody has answered anything: a new file that
// was spoken of is there then.
func (c *conversation) ended() error {
	if c.kept || !c.new || c.empty() {
		return nil
	}
	return c.keep()
}

// hear takes one line.
func (c *conversation) hear(line string) error {
	switch line {
	case "/back":
		if !c.Back() {
			return errors.New("this is the first question")
		}
		return nil
	case "/skip":
		return c.Skip()
	}
	return c.Answer(line)
}

// question puts a question: to a person on standard error, or as JSON.
func (e *env) question(q ask.Question) error {
	if e.json {
		return errors.Join(e.object(struct {
			Question ask.Question `json:"question"`
		}{q}), e.out.Flush())
	}
	var b strings.Builder
	b.WriteString("\n")
	if q.For != "" {
		fmt.Fprintf(&b, "%s: ", q.For)
	}
	fmt.Fprintf(&b, "%s\n  why: %s\n  not knowing it: %s\n", q.Ask, q.Why, q.Costs)
	for i, o := range q.Options {
		fmt.Fprintf(&b, "  %2d  %-26s %s\n", i+1, o.Name, o.Means)
	}
	if hint := hintOf(q); hint != "" {
		fmt.Fprintf(&b, "  %s\n", hint)
	}
	b.WriteString("> ")
	_, err := io.WriteString(e.err, b.String())
	return err
}

// hintOf says how an answer is written.
func hintOf(q ask.Question) string {
	switch {
	case q.Kind == workload.YesNo:
		if q.About == ask.Element {
			return "yes, no; one would be: " + q.Example
		}
		return "yes, no"
	case len(q.Options) > 0:
		return "" // they are listed
	case q.Like != "":
		return "written like " + q.Like
	}
	return "for instance " + q.Example
}

// refused says why an answer was not taken; the question is put again.
func (e *env) refused(err error) error {
	if e.json {
		return e.object(struct {
			Refused string `json:"refused"`
		}{err.Error()})
	}
	e.notef("  not taken: %v", err)
	return nil
}

// heard is a line, or why there is none.
type heard struct {
	text string
	err  error
}

// readLines reads lines until the end of the input, or of the context: a read
// from a terminal cannot be called off, so it is waited for elsewhere.
func readLines(ctx context.Context, in io.Reader) <-chan heard {
	lines := make(chan heard)
	go func() {
		defer close(lines)
		scan := bufio.NewScanner(in)
		scan.Buffer(nil, limitAnswer)
		for scan.Scan() {
			select {
			case lines <- heard{text: strings.TrimSpace(scan.Text())}:
			case <-ctx.Done():
				return
			}
		}
		if err := scan.Err(); err != nil {
			select {
			case lines <- heard{err: err}:
			case <-ctx.Done():
			}
		}
	}()
	return lines
}
