package cli

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"
)

// settings are all that a server can be told. This is the one table: a field is a
// flag, a variable of the environment, and, by its tag "key", a place in the file. A
// test holds docs/reference/configuration.md to it.
type settings struct {
	directory
	security
	cluster
	storing
	Activate uint8   `help:"Put this version of the log in force, once all nodes know it. There is no way back to a program that does not." key:"activate" env:"MAINSTEM_ACTIVATE" default:"0" placeholder:"VERSION"`
	Config   string  `help:"Read what is not given by flag or environment from this file." env:"MAINSTEM_CONFIG" placeholder:"FILE"`
	Listen   address `help:"Address and port for everything: gRPC, gRPC-Web, Connect and JSON, health." key:"listen" env:"MAINSTEM_LISTEN" default:"127.0.0.1:7171" placeholder:"HOST:PORT"`
	Memory   size    `help:"Memory of the database: its caches, tables and queues; 256MiB unless chosen." key:"memory" env:"MAINSTEM_MEMORY" default:"256MiB" placeholder:"SIZE"`
	Drain    span    `help:"How long calls that run may take to end when the server is told to go; 30s unless chosen." key:"drain" env:"MAINSTEM_DRAIN" default:"30s" placeholder:"DURATION"`
	Metrics  address `help:"Offer metrics for Prometheus at an address of their own, under /metrics, and hot names under /hot; nowhere unless chosen." key:"metrics" env:"MAINSTEM_METRICS" placeholder:"HOST:PORT"`
	Pprof    address `help:"Offer profiles of this process at a loopback address, for go tool pprof; nowhere unless chosen." key:"pprof" env:"MAINSTEM_PPROF" placeholder:"HOST:PORT"`
	Verify   span    `help:"How often the log in the directory is replayed beside the server, and compared with the state; 24h unless chosen, 0s for never." key:"verify" env:"MAINSTEM_VERIFY" default:"24h" placeholder:"DURATION"`
}

// setting is a row of the table.
type setting struct {
	flag *kong.Flag
	key  string
	env  string
}

// settingsOf are the settings among the flags of a command, by key.
func settingsOf(n *kong.Node) (all []setting) {
	for _, f := range n.Flags {
		if key := f.Tag.Get("key"); key != "" {
			all = append(all, setting{flag: f, key: key, env: f.Envs[0]})
		}
	}
	slices.SortFunc(all, func(a, b setting) int { return compareKeys(a.key, b.key) })
	return all
}

// set reads text into target, which is the setting's or one of its type.
func (s setting) set(target reflect.Value, text string) error {
	if u, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch target.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%.40q is not true or false", text)
		}
		target.SetBool(text == "true")
	case reflect.Uint8:
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			return fmt.Errorf("%.40q is not a whole number from 0 to 255", text)
		}
		target.SetUint(n)
	case reflect.String:
		target.SetString(text)
	default:
		return fmt.Errorf("a setting of the kind %s cannot be read", target.Kind()) // a mistake in the table, which its test finds
	}
	return nil
}

// check reads text as the setting would be, and forgets it.
func (s setting) check(text string) error {
	return s.set(reflect.New(s.flag.Target.Type()).Elem(), text)
}

// fallback is the value where nobody chose one, as it is written.
func (s setting) fallback() string {
	switch {
	case s.flag.Default != "":
		return s.flag.Default
	case s.flag.Target.Kind() == reflect.Bool:
		return "false"
	default:
		return s.flag.Tag.Get("unset")
	}
}

// value is the value in force, as it is written.
func (s setting) value() (string, error) {
	switch v := s.flag.Target.Interface().(type) {
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		return string(text), err
	case bool:
		return strconv.FormatBool(v), nil
	default:
		if text := fmt.Sprint(v); text != "" {
			return text, nil
		}
		return s.flag.Tag.Get("unset"), nil
	}
}

// inEnvironment reports whether the environment gives it. An empty variable counts
// as none: scripts leave them empty.
func (s setting) inEnvironment() bool { return os.Getenv(s.env) != "" }

// fromFile gives settings what a file says of them, where neither a flag nor the
// environment does.
type fromFile struct {
	file *configFile // nil before it is needed
	err  error       // said apart: kong would put a flag before it
}

// Validate is part of kong's resolver; files are checked when they are read.
func (*fromFile) Validate(*kong.Application) error { return nil }

// Resolve is the value of a flag in the file, or nil.
func (r *fromFile) Resolve(c *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	key, n := f.Tag.Get("key"), c.Selected()
	if key == "" || n == nil || r.err != nil {
		return nil, nil
	}
	at := slices.IndexFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
	if at < 0 {
		return nil, nil
	}
	name, _ := c.FlagValue(n.Flags[at]).(string)
	if name == "" {
		return nil, nil
	}
	if r.file == nil {
		if r.file, r.err = readConfig(name, settingsOf(n)); r.err != nil {
			return nil, nil
		}
	}
	v, ok := r.file.values[key]
	if !ok || (setting{env: f.Envs[0]}).inEnvironment() {
		return nil, nil
	}
	return v.text, nil
}

// origin says where the value in force comes from.
func (s setting) origin(c *kong.Context, file *configFile) string {
	for _, p := range c.Path {
		if p.Flag == s.flag && !p.Resolved {
			return "flag"
		}
	}
	if s.inEnvironment() {
		return "environment"
	}
	if file != nil {
		if v, ok := file.values[s.key]; ok {
			return fmt.Sprintf("%s:%d", file.name, v.line)
		}
	}
	return "default"
}

// serveNode is the command whose settings a file has.
func serveNode(k *kong.Context) (*kong.Node, error) {
	for _, n := range k.Model.Children {
		if n.Name == "serve" {
			return n, nil
		}
	}
	return nil, errors.New("there is no command serve")
}
