package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// screen is a terminal with a program on it.
type screen struct {
	t        *testing.T
	terminal *os.File
	cmd      *exec.Cmd
	out      *bytes.Buffer

	mu       sync.Mutex
	emulator *vt.Emulator
	drawn    chan struct{} // a token after something was drawn
}

// onScreen starts a command on a terminal of 100 by 40. Its standard output is a file.
func onScreen(t *testing.T, dir string, args ...string) *screen {
	t.Helper()
	return onScreenOf(t, 100, 40, dir, args...)
}

func onScreenOf(t *testing.T, columns, rows int, dir string, args ...string) *screen {
	t.Helper()
	s := &screen{t: t, cmd: binary(t, dir, args...), out: new(bytes.Buffer), emulator: vt.NewEmulator(columns, rows), drawn: make(chan struct{}, 1)}
	terminal, other, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	s.terminal = terminal
	s.cmd.Env = append(s.cmd.Env, "TERM=xterm-256color")
	s.cmd.Stdin, s.cmd.Stderr, s.cmd.Stdout = other, other, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(s.draw)
	both.Go(s.reply)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // a test that failed left it
		_ = s.terminal.Close()
		_ = s.emulator.InputPipe().(io.Closer).Close() // what Close of the emulator does, but for a race with its readers
		both.Wait()
	})
	return s
}

// draw shows what the program writes, until it ends.
func (s *screen) draw() {
	b := make([]byte, 4096)
	for {
		n, err := s.terminal.Read(b)
		s.mu.Lock()
		_, _ = s.emulator.Write(b[:n]) // into memory
		s.mu.Unlock()
		select {
		case s.drawn <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// reply answers what the program asks the terminal.
func (s *screen) reply() { _, _ = io.Copy(s.terminal, s.emulator) }

func (s *screen) picture() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line := range strings.Lines(s.emulator.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// see waits until the screen has a text.
func (s *screen) see(text string) {
	s.t.Helper()
	s.until(text, func(picture string) bool { return strings.Contains(picture, text) })
}

func (s *screen) until(what string, so func(picture string) bool) {
	s.t.Helper()
	late := time.After(30 * time.Second)
	for !so(s.picture()) {
		select {
		case <-s.drawn:
		case <-late:
			s.t.Fatalf("after 30 s there is no %q on the screen:\n%s", what, s.picture())
		}
	}
}

// press sends keys.
func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.terminal, keys); err != nil {
		s.t.Fatal(err)
	}
}

// end waits until the program has ended, and returns its exit code.
func (s *screen) end() int {
	s.t.Helper()
	ended := make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // the code says it
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("it does not end:\n%s", s.picture())
	}
	return s.cmd.ProcessState.ExitCode()
}

const (
	enter, up, escape = "\r", "\x1b[A", "\x1b"
	ctrlC, ctrlD      = "\x03", "\x04"
	ctrlN             = "\x0e"
)

// skipTo passes one subject after the other, from what a file says, until a field
// is asked for.
func (s *screen) skipTo(file, path string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := workload.Decode(text)
	if err != nil {
		s.t.Fatal(err)
	}
	i := ask.Begin(w)
	for q, more := i.Next(); more; q, more = i.Next() {
		s.see(q.Ask[:min(40, len(q.Ask))])
		if q.Path == path {
			return
		}
		s.press(ctrlN)
		if err := i.Skip(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Fatalf("%s is never asked", path)
}

// TestForm drives the form to its end on a terminal, through each kind of
// question, a wrong answer, a way back and a subject that is passed.
func TestForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := onScreen(t, dir, "advise", "ask", "shop.yaml")
	s.see("What is the system called?")
	s.see("It heads the answer.")
	s.press("shop" + enter)
	s.see("What does it do, in one sentence?")
	s.press(enter)
	for _, question := range []string{"Is computation the hard part", "May copies of the same data differ", "Is an answer after its deadline", "Does one process on one machine"} {
		s.see(question)
		s.see("Not knowing it:")
		s.press("n")
	}
	s.see("Is a wrong decision on stale data unacceptable")
	s.see("> not known") // whoever only presses enter has said nothing
	s.press(up + up + enter)
	s.see("Can operations that need current data wait for other machines to agree?")
	s.press("y")
	s.see("→ decided: Linearizability with synchronous replication")
	s.see("Does one decision change or rest on several keys")
	s.press(escape)
	s.see("Can operations that need current data wait for other machines to agree?")
	s.see("no longer: Linearizability")
	s.press("y")
	s.see("Does one decision change or rest on several keys")
	s.press(ctrlN)
	s.see("Must messages be kept and read again") // another subject
	s.skipTo(filepath.Join(dir, "shop.yaml"), "objectives.rpo")
	s.press("5 secs" + enter)
	s.see(`did you mean "s"?`)
	s.press(strings.Repeat("\x7f", 3) + enter)
	s.see("How long may 99 of 100 requests take?") // the subject is not left
	s.press(ctrlD)
	if code := s.end(); code != 0 || !strings.Contains(s.out.String(), "Linearizability with synchronous replication") {
		t.Errorf("exit code %d\n%s", code, s.out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "shop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := workload.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"about.name": "shop", "about.purpose": "unknown", "scope.single_machine": "no", "consistency.strong": "yes",
		"consistency.coordination_bearable": "yes", "objectives.rpo": "5 s",
	} {
		if got := w.Get(path).String(); got != want || !w.Said(path) {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// TestFormEnds with its last question, too.
func TestFormEnds(t *testing.T) {
	t.Parallel()
	s := onScreen(t, t.TempDir(), "advise")
	s.see("What is the system called?")
	s.press("solver" + enter)
	s.see("What does it do")
	s.press("solves" + enter)
	s.see("Is computation the hard part")
	s.press("y")
	if code := s.end(); code != 0 || !strings.Contains(s.out.String(), "Pure computation") {
		t.Errorf("exit code %d\n%s", code, s.out)
	}
}

// TestFormLeft: whoever leaves gets no decisions, and keeps the answers.
func TestFormLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := onScreen(t, dir, "advise")
	s.see("What is the system called?")
	s.press("shop" + enter)
	s.see("What does it do")
	s.press(ctrlC)
	if code := s.end(); code != 130 || s.out.Len() > 0 {
		t.Errorf("exit code %d\n%s", code, s.out)
	}
	s.see("go on with: mainstem advise ask workload.yaml")
	if text, err := os.ReadFile(filepath.Join(dir, "workload.yaml")); err != nil || string(text) != "about:\n  name: shop\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestPlainOnATerminal asks line by line where --plain says so.
func TestPlainOnATerminal(t *testing.T) {
	t.Parallel()
	s := onScreen(t, t.TempDir(), "advise", "--plain")
	s.see("What is the system called?")
	s.press("shop\n")
	s.see("What does it do")
	s.press("/stop\n")
	if code := s.end(); code != 0 || !strings.Contains(s.out.String(), "# shop") {
		t.Errorf("exit code %d\n%s", code, s.out)
	}
}

// TestFormInTheGuide: the picture in the guide is what a small terminal shows at
// the first question; and none of it is cut off.
func TestFormInTheGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "guides", "deciding.md"))
	if err != nil {
		t.Fatal(err)
	}
	const begins = "mainstem advise · "
	_, rest, shown := strings.Cut(string(guide), "```text\n"+begins)
	want, _, _ := strings.Cut(begins+rest, "\n```")
	if !shown {
		t.Fatal("the guide has no picture")
	}
	s := onScreenOf(t, 80, 24, t.TempDir(), "advise")
	number := regexp.MustCompile("[0-9]+") // of questions: each new rule may have one
	s.until(want, func(picture string) bool {
		return number.ReplaceAllString(picture, "") == number.ReplaceAllString(want, "")
	})
	s.press(ctrlC)
	if code := s.end(); code != 130 {
		t.Errorf("exit code %d", code)
	}
}

// TestFormOfLongQuestions: the most options that a question has, on a small terminal.
func TestFormOfLongQuestions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "shop.yaml")
	if err := os.WriteFile(file, []byte("about: {name: shop, purpose: sells}\nnever: [{words: Two get the last item.}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := onScreenOf(t, 80, 24, dir, "advise", "ask", "shop.yaml")
	s.skipTo(file, "never[0].anomaly")
	s.see("not known")
	s.see("ctrl+c leave")
	for range 18 {
		s.press(up)
	}
	s.see("> dirty_write") // the first of them: the list scrolls
	s.see("ctrl+c leave")
	s.press(enter)
	s.see("besides this one?")
	s.press(ctrlD)
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "anomaly: dirty_write") {
		t.Errorf("%s, %v", text, err)
	}
}
