package cli

import (
	"errors"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"

	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

const (
	formWidth = 88 // lines longer than that are hard to read
	formFrame = 11 // lines of the screen that are not the question
	formTold  = 3  // the latest of what was decided
)

// form is the questionnaire as a screen: one question at a time, what the
// answers have decided below it.
type form struct {
	talk *conversation
	q    ask.Question
	huh  *huh.Form
	said string
	told []string
	open int // questions
	size tea.WindowSizeMsg

	done   bool // nothing is left to ask, or the decisions are wanted now
	failed error
}

// form asks on a screen. Leaving it without wanting the decisions is an interruption.
func (c *conversation) form(e *env) error {
	f := &form{talk: c}
	if !f.put() {
		return c.ended()
	}
	p := tea.NewProgram(f, tea.WithContext(e.ctx), tea.WithInput(e.in), tea.WithOutput(e.screen), tea.WithoutSignalHandler(), tea.WithFilter(sizeIsKnown))
	_, err := p.Run()
	switch {
	case e.ctx.Err() != nil:
		return e.ctx.Err()
	case err != nil:
		return fmt.Errorf("the form: %w; --plain asks line by line", err)
	case f.failed != nil:
		return f.failed
	case !f.done:
		return &problem{Code: "interrupted", Message: "left before the decisions", Advice: "ctrl+d asks for them", exit: exitInterrupted}
	}
	return c.ended()
}

// sizeIsKnown drops the request for the size of the window that each question makes:
// the program hears it at its start and at each change, and two of its requests at once
// would race.
func sizeIsKnown(_ tea.Model, msg tea.Msg) tea.Msg {
	if msg == tea.RequestWindowSize() {
		return nil
	}
	return msg
}

// put puts the next question; false if there is none.
func (f *form) put() bool {
	q, more := f.talk.Next()
	if !more {
		return false
	}
	f.q, f.said, f.open = q, "", len(f.talk.Open())
	title := q.Ask
	if q.For != "" {
		title = q.For + ": " + q.Ask
	}
	description := q.Why + "\nNot knowing it: " + q.Costs
	if q.About == ask.Element {
		description += "\nOne would be: " + q.Example
	}
	keys := huh.NewDefaultKeyMap()
	keys.Quit, keys.Select.Filter = key.NewBinding(key.WithDisabled()), key.NewBinding(key.WithDisabled())
	var field huh.Field
	if options := optionsOf(q); options != nil {
		f.said = workload.Unknown // whoever only presses enter has said nothing
		field = huh.NewSelect[string]().Title(title).Description(description).Options(options...).Value(&f.said).Validate(f.talk.Try)
	} else {
		field = huh.NewInput().Title(title).Description(description).Placeholder(hintOf(q)).Value(&f.said).Validate(f.talk.Try)
	}
	f.huh = huh.NewForm(huh.NewGroup(field)).WithShowHelp(false).WithKeyMap(keys).WithWidth(f.width())
	return true
}

func (f *form) width() int {
	if f.size.Width == 0 {
		return formWidth
	}
	return min(formWidth, f.size.Width)
}

// optionsOf are the values of a closed kind; nil of an open one.
func optionsOf(q ask.Question) (options []huh.Option[string]) {
	if q.Kind == workload.YesNo {
		options = []huh.Option[string]{huh.NewOption("yes", "yes"), huh.NewOption("no", "no")}
	}
	for _, o := range q.Options {
		options = append(options, huh.NewOption(fmt.Sprintf("%-26s %s", o.Name, o.Means), o.Name))
	}
	if options == nil {
		return nil
	}
	return append(options, huh.NewOption("not known", workload.Unknown))
}

// Init is called once.
func (f *form) Init() tea.Cmd { return f.huh.Init() }

// Update hears a key, or what the question makes of one.
func (f *form) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		f.size = msg
		return f.fit()
	case tea.KeyPressMsg:
		switch pressed := msg.String(); pressed {
		case "ctrl+c":
			return f, tea.Quit
		case "ctrl+d":
			f.done = true
			return f, tea.Quit
		case "esc":
			return f.heard(func() error {
				f.talk.Back() // at the first question there is nothing to take back
				return nil
			})
		case "ctrl+n":
			return f.heard(f.talk.Skip)
		case "y", "n":
			if f.q.Kind == workload.YesNo {
				return f.heard(func() error { return f.talk.Answer(pressed) })
			}
		}
	}
	return f.pass(msg)
}

// fit makes the question as large as the window lets it be.
func (f *form) fit() (tea.Model, tea.Cmd) {
	f.huh.WithWidth(f.width())
	return f.pass(tea.WindowSizeMsg{Width: f.size.Width, Height: max(6, f.size.Height-formFrame)})
}

// pass hands a message on, and takes the answer when there is one.
func (f *form) pass(msg tea.Msg) (tea.Model, tea.Cmd) {
	model, cmd := f.huh.Update(msg)
	if now, ok := model.(*huh.Form); ok {
		f.huh = now
	}
	if f.huh.State == huh.StateCompleted {
		return f.heard(func() error { return f.talk.Answer(f.said) })
	}
	return f, cmd
}

// heard takes an answer, keeps it, and goes on.
func (f *form) heard(take func() error) (tea.Model, tea.Cmd) {
	before := f.talk.Fired()
	err := take()
	if err == nil {
		f.told = append(f.told, news(before, f.talk.Fired())...)
		err = f.talk.keep()
	}
	if err != nil && !errors.Is(err, ask.ErrDone) {
		f.failed = err
		return f, tea.Quit
	}
	return f.next()
}

func (f *form) next() (tea.Model, tea.Cmd) {
	if !f.put() {
		f.done = true
		return f, tea.Quit
	}
	begin := f.huh.Init()
	if f.size.Width == 0 {
		return f, begin
	}
	model, fitted := f.fit()
	return model, tea.Batch(begin, fitted)
}

var (
	formSubject = lipgloss.NewStyle().Bold(true)
	formQuiet   = lipgloss.NewStyle().Faint(true)
)

// keys say how to answer this question.
func (f *form) keys() string {
	switch {
	case f.q.Kind == workload.YesNo:
		return "y yes · n no · enter takes the marked line"
	case len(f.q.Options) > 0:
		return "↑ ↓ mark · enter takes the marked line"
	}
	return "enter takes the line; an empty one says that it is not known"
}

// View is the screen.
func (f *form) View() tea.View {
	var b strings.Builder
	quiet := formQuiet.Width(f.width())
	b.WriteString(quiet.Render(fmt.Sprintf("mainstem advise · answers are kept in %s · questions open: %d", f.talk.file, f.open)) + "\n\n")
	if !f.talk.kept {
		b.WriteString(lipgloss.NewStyle().Width(f.width()).Render(introduction) + "\n\n")
	}
	b.WriteString(formSubject.Render(f.q.Section) + "\n\n")
	b.WriteString(f.huh.View() + "\n\n")
	for _, line := range f.told[max(0, len(f.told)-formTold):] {
		b.WriteString("→ " + line + "\n")
	}
	b.WriteString("\n" + quiet.Render(f.keys()+"\nesc back · ctrl+n skip the subject · ctrl+d stop and decide · ctrl+c leave"))
	v := tea.NewView(b.String())
	v.AltScreen = true
	return v
}
