package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"github.com/mainstemdb/mainstem"
)

// env is what a command runs in.
type env struct {
	ctx  context.Context
	in   io.Reader
	out  *bufio.Writer
	err  io.Writer
	json bool

	outTerminal, errTerminal bool
	screen                   *os.File // standard error, if it is a file: a terminal where errTerminal says so
	profile                  colorprofile.Profile
}

func newEnv(ctx context.Context, in io.Reader, out, errs io.Writer, json bool) *env {
	screen, _ := errs.(*os.File)
	return &env{
		ctx: ctx, in: in, screen: screen, json: json,
		out:         bufio.NewWriter(out),
		err:         colorprofile.NewWriter(errs, os.Environ()),
		outTerminal: isTerminal(out), errTerminal: isTerminal(errs),
		profile: colorprofile.Detect(out, os.Environ()),
	}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// closing closes what a command has read or written through; a failure to do
// so fails the command, unless something failed before.
func closing(c io.Closer, err *error) {
	if failed := c.Close(); *err == nil {
		*err = failed
	}
}

// finish says what went wrong and returns the exit code.
func (e *env) finish(err error) int {
	if flushed := e.out.Flush(); err == nil {
		err = flushed
	}
	if err == nil {
		return exitOK
	}
	p := problemOf(err)
	if e.ctx.Err() != nil && p.Code == mainstem.Cancelled.String() {
		p = problemOf(e.ctx.Err()) // it was called off from here
	}
	switch {
	case p.silent:
	case e.json:
		_ = e.encodeTo(e.err, p) // nobody is left to tell
	default:
		fmt.Fprintf(e.err, "mainstem: %s\n", p.Error())
	}
	return p.exit
}

// object prints v as one line of JSON.
func (e *env) object(v any) error { return e.encodeTo(e.out, v) }

func (e *env) encodeTo(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// notef tells a person something that is no result, on standard error. With
// --json it is left out, so that standard error holds errors only.
func (e *env) notef(format string, args ...any) {
	if !e.json {
		fmt.Fprintf(e.err, format+"\n", args...)
	}
}

// styled is standard output for styled text, which loses its colours where
// they cannot be shown or NO_COLOR is set.
func (e *env) styled() io.Writer {
	return &colorprofile.Writer{Forward: e.out, Profile: e.profile}
}

// limitInput is the most bytes read from standard input or a value file: the
// largest transaction with every byte escaped, and as much again for what stands
// around its fields.
const limitInput = 2 * worstEscape * mainstem.LimitTransaction

// readAll reads a value or a transaction from a reader, bounded.
func readAll(r io.Reader, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limitInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if len(b) > limitInput {
		return nil, &problem{
			Code: "too_large", Message: fmt.Sprintf("%s is longer than %d bytes", what, limitInput),
			Advice: "split it", exit: exitUsage,
		}
	}
	return b, nil
}

// input reads a file, or standard input when the name is "-".
func (e *env) input(file string) ([]byte, error) {
	if file == "-" {
		return readAll(e.in, "standard input")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	text, err := readAll(f, file)
	closing(f, &err)
	return text, err
}
