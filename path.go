package mainstem

import "strings"

// Path is a group and a name in it as one text, for command lines, JSON and
// logs: GROUP/NAME. In the group "%" is written %25 and "/" is written %2F
// (percent-encoding, RFC 3986, section 2.1); the name stands as it is. One
// path has exactly one text, and one text at most one path.
type Path struct {
	Group string
	// Name is a key, stream or lease; empty for the group itself, written
	// "GROUP/".
	Name string
}

var escapeGroup = strings.NewReplacer("%", "%25", "/", "%2F")

// String is the written form.
func (p Path) String() string { return escapeGroup.Replace(p.Group) + "/" + p.Name }

// Validate reports a group or name that breaks its rules. An empty name is
// allowed.
func (p Path) Validate() error {
	if err := CheckGroup(p.Group); err != nil {
		return err
	}
	if p.Name == "" {
		return nil
	}
	return CheckName("name", p.Name)
}

// ParsePath reads what String wrote, and nothing else.
func ParsePath(text string) (Path, error) {
	group, name, found := strings.Cut(text, "/")
	if !found {
		return Path{}, &Error{
			Code: Invalid, Message: "path " + quoteShort(text) + " has no /",
			Advice: "write GROUP/NAME, or GROUP/ for the group itself",
		}
	}
	plain, ok := unescapeGroup(group)
	if !ok {
		return Path{}, &Error{
			Code: Invalid, Message: "path " + quoteShort(text) + " has a % in its group that begins neither %25 nor %2F",
			Advice: "write % in a group as %25 and / as %2F",
		}
	}
	p := Path{Group: plain, Name: name}
	return p, p.Validate()
}

// unescapeGroup is strict: %2f, or %41 for a plain letter, would give one path
// two texts.
func unescapeGroup(s string) (string, bool) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(s, "%")
		b.WriteString(plain)
		switch {
		case !found:
			return b.String(), true
		case strings.HasPrefix(rest, "25"):
			b.WriteByte('%')
		case strings.HasPrefix(rest, "2F"):
			b.WriteByte('/')
		default:
			return "", false
		}
		s = rest[2:]
	}
}

// MarshalText is String.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(text []byte) error {
	parsed, err := ParsePath(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}
