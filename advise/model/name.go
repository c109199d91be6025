package model

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// element is one element of a list of the description.
type element struct {
	list  string
	index int
	title string // as the user says it, or by number
	name  string // in lower case, letters, digits and hyphens; unique in its list
}

func (e element) path(field string) string { return fmt.Sprintf("%s[%d].%s", e.list, e.index, field) }

// elements are the elements of a list, each with a name.
func (p *proposal) elements(list string) (all []element) {
	n, _ := p.w.Count(list)
	taken := map[string]bool{}
	for i := range n {
		e := element{list: list, index: i}
		number := fmt.Sprintf("%s %d", strings.TrimSuffix(list, "s"), i+1)
		if e.title = p.w.Get(e.path("name")).Text; e.title == "" {
			e.title = number
		}
		if e.name = Plain(e.title); e.name == "" || taken[e.name] {
			e.name = Plain(e.title + " " + number)
		}
		for taken[e.name] { // an element can be called what another one was renamed to
			e.name += "-x"
		}
		taken[e.name] = true
		all = append(all, e)
	}
	return all
}

// text is a field of an element; "" if it is unknown.
func (p *proposal) text(e element, field string) string { return p.w.Get(e.path(field)).Text }

func (p *proposal) value(e element, field string) workload.Value { return p.w.Get(e.path(field)) }

// limitName keeps names far below what Mainstem takes.
const limitName = 48

// Plain is a title in lower case ASCII letters, digits and single hyphens, at most 48
// bytes. What it cannot say it leaves out.
func Plain(title string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(title) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			gap = false
		} else {
			gap = true
		}
		if b.Len() >= limitName-1 {
			break
		}
	}
	return b.String()
}
