package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json (go doc test2json).
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

// key names a test of a package; an empty test is the package itself.
type key struct{ pkg, test string }

// report gathers a run of tests while it prints it.
type report struct {
	w       io.Writer
	said    map[key][]string // what unfinished and failed tests printed
	order   []key            // keys of said in order of first output
	rounds  []string
	notRun  []string
	passed  int
	failed  int
	skipped int
	broken  bool // a package failed, with or without a failed test
}

func newReport(w io.Writer) *report { return &report{w: w, said: map[key][]string{}} }

// read consumes a whole run. What is no event, such as a complaint of the go
// command itself, is passed through.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case line[0] != '{' || json.Unmarshal(line, &e) != nil:
			fmt.Fprintf(r.w, "%s", line)
		default:
			r.take(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("testreport: read the events of go test: %w", err)
		}
	}
}

func (r *report) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "build-fail":
		r.broken = true
	case "output":
		r.output(k, e.Output)
	case "pass", "skip", "fail":
		r.end(k, e.Action)
	}
}

// output keeps what a test says until its end is known. The closing line of
// a package goes out at once, because it shows that the run is alive.
func (r *report) output(k key, text string) {
	line := strings.TrimSpace(text)
	if k.test == "" {
		switch {
		case strings.HasPrefix(text, "ok  \t"), strings.HasPrefix(text, "?   \t"), strings.HasPrefix(text, "FAIL\t"):
			if strings.HasPrefix(text, "FAIL") {
				r.failures(k.pkg)
			}
			fmt.Fprint(r.w, text)
			return
		case line == "PASS", line == "FAIL", strings.HasPrefix(line, "coverage:"):
			return
		}
	}
	if strings.HasPrefix(line, "=== ") {
		return
	}
	if strings.Contains(line, "rounds") {
		r.rounds = append(r.rounds, short(k)+": "+line)
	}
	if _, why, ok := strings.Cut(line, "not run: "); ok {
		r.notRun = append(r.notRun, short(k)+": "+why)
	}
	if r.said[k] == nil {
		r.order = append(r.order, k)
	}
	r.said[k] = append(r.said[k], text)
}

func (r *report) end(k key, action string) {
	if k.test == "" {
		r.broken = r.broken || action == "fail"
		for _, o := range r.order {
			if o.pkg == k.pkg {
				delete(r.said, o)
			}
		}
		return
	}
	switch action {
	case "pass":
		r.passed++
		delete(r.said, k)
	case "skip":
		r.skipped++
		delete(r.said, k)
	case "fail":
		r.failed++
	}
}

// failures prints all that the failed and the unfinished tests of a package
// said, and what the package said outside of any test.
func (r *report) failures(pkg string) {
	for _, k := range r.order {
		if k.pkg == pkg {
			fmt.Fprint(r.w, strings.Join(r.said[k], ""))
		}
	}
}

// short is the name of a test without the path that all packages share.
func short(k key) string {
	pkg := strings.TrimPrefix(strings.TrimPrefix(k.pkg, "github.com/mainstemdb/mainstem"), "/")
	return strings.Trim(pkg+" "+k.test, " ")
}

// summary prints the sums and reports whether all is well. A run without a
// single test is not well: it proves nothing.
func (r *report) summary() bool {
	for _, l := range r.rounds {
		fmt.Fprintln(r.w, l)
	}
	for _, l := range r.notRun {
		fmt.Fprintln(r.w, "not run: "+l)
	}
	fmt.Fprintf(r.w, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if r.passed+r.failed == 0 {
		fmt.Fprintln(r.w, "testreport: no test ran: check the packages that were asked for")
		return false
	}
	return r.failed == 0 && !r.broken
}
