package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// The exit codes, as the help lists them.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitCondition   = 4
	exitRepeat      = 5
	exitDamaged     = 6
	exitInterrupted = 130 // what shells give a process that SIGINT ended
)

// problem is an error as the command line tells it.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Advice  string `json:"advice"`
	// Condition is the number of the condition or operation that failed,
	// conditions first; absent when it was neither.
	Condition int `json:"condition,omitempty"`
	exit      int
	// silent is a failure that somebody else has told already.
	silent bool
}

// Error is the problem on one line.
func (p *problem) Error() string {
	text := p.Code + ": " + p.Message
	if p.Condition > 0 {
		text += fmt.Sprintf(" (condition %d)", p.Condition)
	}
	if p.Advice != "" {
		text += "; " + p.Advice
	}
	return strings.Join(strings.Fields(text), " ")
}

func notFound(advice, format string, args ...any) error {
	return &problem{Code: "not_found", Message: fmt.Sprintf(format, args...), Advice: advice, exit: exitNotFound}
}

func misused(advice, format string, args ...any) error {
	return &problem{Code: "usage", Message: fmt.Sprintf(format, args...), Advice: advice, exit: exitUsage}
}

// problemOf tells any error as a problem.
func problemOf(err error) *problem {
	var p *problem
	var e *mainstem.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &e):
		return &problem{
			Code: e.Code.String(), Message: said(err, e), Advice: cmp.Or(unreached(e), e.Help()), Condition: e.Condition, exit: exitOf(e.Code),
		}
	case errors.Is(err, context.Canceled):
		return &problem{Code: "interrupted", Message: "interrupted", Advice: "run it again", exit: exitInterrupted}
	case errors.Is(err, fs.ErrNotExist):
		return &problem{Code: "not_found", Message: err.Error(), Advice: "check the name", exit: exitNotFound}
	case errors.Is(err, fs.ErrPermission):
		return &problem{Code: "denied", Message: err.Error(), Advice: "check owner and permissions", exit: exitOther}
	default:
		return &problem{Code: "failed", Message: err.Error(), Advice: "", exit: exitOther}
	}
}

// said is the message with what was said around it, without code and advice,
// which stand in fields of their own.
func said(err error, e *mainstem.Error) string {
	before, _, _ := strings.Cut(err.Error(), e.Error())
	return before + e.Message
}

// exitOf sorts the closed set of codes into what a script does next.
func exitOf(c mainstem.Code) int {
	switch c {
	case mainstem.Conflict, mainstem.Held, mainstem.Fenced, mainstem.Exists, mainstem.OutOfRange,
		mainstem.IDReused, mainstem.TooOld, mainstem.Cancelled:
		return exitCondition
	case mainstem.InProgress, mainstem.Overloaded, mainstem.Undecided, mainstem.Unavailable,
		mainstem.Stopped, mainstem.RetryTransaction:
		return exitRepeat
	case mainstem.Corrupt, mainstem.HistoryLost:
		return exitDamaged
	case mainstem.Trimmed:
		return exitNotFound
	case mainstem.Invalid, mainstem.WrongGroup, mainstem.TooLarge:
		return exitUsage
	default: // Denied, Weak
		return exitOther
	}
}
