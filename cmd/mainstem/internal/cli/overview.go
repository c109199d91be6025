package cli

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/alecthomas/kong"
)

var (
	title = lipgloss.NewStyle().Bold(true)
	quiet = lipgloss.NewStyle().Faint(true)
)

// overview is what a newcomer sees first.
func (e *env) overview() {
	start := [][2]string{
		{"mainstem demo", "watch a database survive kill -9, audited"},
		{"mainstem put shop/greeting hello", "write a key"},
		{"mainstem get shop/greeting", "read it"},
		{"mainstem add item-42/stock 10", "count"},
		{"mainstem add item-42/stock -1 --floor 0 --id order-7", "run it twice: it counts once"},
		{"mainstem feed", "everything that has committed, in order"},
	}
	w := e.styled()
	fmt.Fprintf(w, "%s\n\n", title.Render("Mainstem: writes that are safe to retry."))
	for _, line := range start {
		fmt.Fprintf(w, "  %-54s %s\n", line[0], quiet.Render(line[1]))
	}
	fmt.Fprintf(w, "\nThe database is a directory: --dir, or MAINSTEM_DIR, or ./mainstem-data.\n"+
		"All commands: mainstem --help. One with examples: mainstem add --help.\n")
}

// help prints kong's help, without the blanks at the ends of its lines.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	var b strings.Builder
	kongOut := ctx.Stdout
	ctx.Stdout = &b
	err := kong.DefaultHelpPrinter(options, ctx)
	ctx.Stdout = kongOut
	for line := range strings.Lines(b.String()) {
		_, _ = io.WriteString(kongOut, strings.TrimRight(line, " \n")+"\n")
	}
	return err
}
