package workload

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LimitText is the longest text of one value, in characters.
const LimitText = 1000

// Unknown is how a value that nobody knows is written. A field that is not
// there, or empty, is unknown too.
const Unknown = "unknown"

// Value is what was said about a field. The zero Value is unknown.
type Value struct {
	Kind   Kind
	Known  bool
	Text   string  // as it was written, in canonical form: yes, 150 ms, leader
	Amount float64 // seconds, events per second, bytes, percent, or the number
	Line   int     // where it was said, from 1; 0 if it was not read from a file
	Column int
}

// String is the text of a value, or unknown.
func (v Value) String() string {
	if !v.Known {
		return Unknown
	}
	return v.Text
}

// Yes and No are both false of an unknown value.
func (v Value) Yes() bool { return v.Known && v.Text == "yes" }

// No is true of a known no.
func (v Value) No() bool { return v.Known && v.Text == "no" }

// Parse reads one value of a field. The error says what is wrong and what to
// write instead.
func (f Field) Parse(text string) (Value, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == Unknown {
		return Value{Kind: f.Kind}, nil
	}
	if n := utf8.RuneCountInString(text); n > LimitText {
		return Value{}, fmt.Errorf("%d characters, more than %d; say it shorter", n, LimitText)
	}
	v := Value{Kind: f.Kind, Known: true, Text: text}
	switch f.Kind {
	case YesNo:
		return parseYesNo(v)
	case Choice:
		if !f.option(text) {
			return Value{}, fmt.Errorf("%q is none of its values%s; write one of %s, or %s",
				clip(text), didYouMean(text, f.names()), strings.Join(f.names(), ", "), Unknown)
		}
		return v, nil
	case Text:
		if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
			return Value{}, fmt.Errorf("a text is one line of UTF-8 without control characters; remove them")
		}
		return v, nil
	case Duration, Rate, Size, Percent, Number:
	}
	amount, err := parseAmount(f.Kind, text)
	if err != nil {
		return Value{}, err
	}
	if err := f.within(amount, text); err != nil {
		return Value{}, err
	}
	v.Amount = amount
	return v, nil
}

func parseYesNo(v Value) (Value, error) {
	switch strings.ToLower(v.Text) {
	case "yes", "true":
		v.Text = "yes"
	case "no", "false":
		v.Text = "no"
	default:
		return Value{}, fmt.Errorf("%q is neither yes nor no; write yes, no, or %s", clip(v.Text), Unknown)
	}
	return v, nil
}

// within holds an amount to the limits of its field.
func (f Field) within(amount float64, text string) error {
	switch {
	case f.Kind == Percent && amount > 100:
		return fmt.Errorf("%s is more than all of it; a percentage is 0 %% to 100 %%", text)
	case f.Kind == Rate && amount == 0:
		return fmt.Errorf("a rate of zero says that it never happens; leave it out, or write %s", Unknown)
	case f.Max != "" && amount > f.max:
		return fmt.Errorf("%s is over the limit of %s; is it in the wrong unit?", text, f.Max)
	case f.Min != "" && amount < f.min:
		return fmt.Errorf("%s is under the limit of %s", text, f.Min)
	case f.Kind == Number && amount != math.Trunc(amount):
		return fmt.Errorf("%s is no whole number", text)
	}
	return nil
}

// clip shortens what a message quotes.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
