package ask

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// ErrDone is what Answer and Skip say when there is no question left.
var ErrDone = errors.New("ask: every question is answered")

// Answer takes the answer to the question of Next, as the description writes it:
// yes, 150 ms, read_heavy. y and n stand for yes and no, and a number for the
// option at that place, from 1. Nothing, ? and unknown say that it is not known. An
// error says what is wrong with the answer; the question is then still open.
func (i *Interview) Answer(text string) error {
	q, more := i.Next()
	if !more {
		return ErrDone
	}
	return i.take(q, q.reading(text))
}

// Try is the error that Answer would give; it takes nothing.
func (i *Interview) Try(text string) error {
	q, more := i.Next()
	if !more {
		return ErrDone
	}
	_, err := i.after(q, q.reading(text))
	return err
}

// Set answers out of turn, by path: a field (operations[0].rate), that a list has
// no elements (operations, none), or whether a part applies (observed, no).
func (i *Interview) Set(path, text string) error {
	if f, ok := workload.Lookup(path); ok {
		return i.take(Question{Path: path, About: Field, Kind: f.Kind}, text)
	}
	for _, s := range workload.Sections() {
		switch n, _ := i.w.Count(path); {
		case s.List && listOf(s) == path && (text != "none" || n > 0):
			return fmt.Errorf("it is a list of which %d are described; of none, say none; else describe the next: %s[%d].%s", n, path, n, s.Fields[0].Name)
		case s.List && listOf(s) == path:
			return i.take(Question{Path: path, About: Element}, "no")
		case s.Before != "" && s.Path == path:
			return i.take(Question{Path: path, About: Part}, text)
		}
	}
	return i.w.Clone().Set(path, text) // it knows the names, and says which one was meant
}

func (i *Interview) take(q Question, text string) error {
	next, err := i.after(q, text)
	if err != nil {
		return err
	}
	i.trail = append(i.trail, i.state)
	i.become(next)
	return nil
}

// after is what an answer would lead to.
func (i *Interview) after(q Question, text string) (next state, err error) {
	next = i.clone()
	switch q.About {
	case Field:
		err = next.field(q, text)
	case Element, Part:
		var v workload.Value
		if v, err = (workload.Field{Kind: workload.YesNo}).Parse(text); err == nil && q.About == Element {
			err = next.element(q.Path, v)
		} else if err == nil {
			err = next.part(q.Path, v)
		}
	}
	if err == nil {
		err = next.w.Check()
	}
	if next.section = q.Section; q.About == Part {
		next.section = ""
	}
	return next, err
}

// field parses before it sets, so that the error is the decoder's own.
func (s *state) field(q Question, text string) error {
	f, _ := workload.Lookup(q.Path)
	if _, err := f.Parse(text); err != nil {
		return err
	}
	return s.w.Set(q.Path, text)
}

// element opens a further element of a list, or closes the list.
func (s *state) element(list string, v workload.Value) error {
	if v.Yes() {
		s.filling = list
		return s.w.AddElement(list)
	}
	s.filling, s.closed[list] = "", true
	if n, _ := s.w.Count(list); v.No() && n == 0 {
		return s.w.SetNone(list)
	}
	return nil
}

// part opens a part, or says of all that is in it that it is not known. Of a
// part that is not there, lists have no elements.
func (s *state) part(part string, v workload.Value) error {
	if v.Yes() {
		s.opened[part] = true
		return nil
	}
	for _, sec := range workload.Sections() {
		if sec.Path != part && !strings.HasPrefix(sec.Path, part+".") {
			continue
		}
		if err := s.pass(sec, v.No()); err != nil {
			return err
		}
	}
	return nil
}

// pass says of a section that nothing more is known of it; of a list that
// nobody has begun, if it is so, that it has no elements.
func (s *state) pass(sec workload.Section, none bool) error {
	if sec.List {
		list := listOf(sec)
		if _, known := s.w.Count(list); none && !known {
			return s.w.SetNone(list)
		}
		s.closed[list] = true
		if s.filling == list {
			s.filling = ""
		}
	}
	for _, path := range s.places(sec) {
		if !s.w.Said(path) {
			if err := s.w.Set(path, workload.Unknown); err != nil {
				return err
			}
		}
	}
	return nil
}

// places are the paths of a section's fields, in each element.
func (s *state) places(sec workload.Section) (paths []string) {
	prefixes := []string{sec.Path}
	if sec.List {
		prefixes = nil
		n, _ := s.w.Count(listOf(sec))
		for e := range n {
			prefixes = append(prefixes, fmt.Sprintf("%s[%d]", listOf(sec), e))
		}
	}
	for _, p := range prefixes {
		for _, f := range sec.Fields {
			paths = append(paths, p+"."+f.Name)
		}
	}
	return paths
}

// Skip says that nothing more is known of the section of the question of Next.
func (i *Interview) Skip() error {
	q, more := i.Next()
	if !more {
		return ErrDone
	}
	next := i.clone()
	if q.About == Part {
		return i.take(q, workload.Unknown)
	}
	for _, sec := range workload.Sections() {
		generic := workload.Generic(q.Path)
		if listOf(sec) != q.Path && sec.Path != generic[:max(0, strings.LastIndexByte(generic, '.'))] {
			continue
		}
		if err := next.pass(sec, false); err != nil {
			return err
		}
	}
	i.trail = append(i.trail, i.state)
	i.become(next)
	return nil
}

// Back takes the last answer back; false if there is none.
func (i *Interview) Back() bool {
	if len(i.trail) == 0 {
		return false
	}
	i.become(i.trail[len(i.trail)-1])
	i.trail = i.trail[:len(i.trail)-1]
	return true
}
