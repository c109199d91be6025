package cli

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/alecthomas/kong"

	"github.com/mainstemdb/mainstem/access"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Say whether a server could start with a file of settings."`
	Print configPrintCmd `cmd:"" help:"Print the settings that a server would have, and where each comes from."`
}

// Help is shown below the flags.
func (*configCmd) Help() string {
	return `A server takes its settings from flags, then from the environment, then from one YAML file, then from defaults. Secrets are never settings: a setting names the file that has one.

Examples:

    mainstem config check server.yaml
    mainstem config print --config server.yaml`
}

type configCheckCmd struct {
	File string `arg:"" help:"The file." placeholder:"FILE"`
}

// Help is shown below the flags.
func (*configCheckCmd) Help() string {
	return `Reads the file as serve would, with the environment as it is here, and the policy and the certificates that it names. Nothing is opened and nobody listens. A mistake in it is exit code 2, with its line.

Examples:

    mainstem config check server.yaml
    mainstem config check /etc/mainstem/server.yaml --json`
}

func (c *configCheckCmd) Run(e *env, k *kong.Context, all *commands) error {
	n, err := serveNode(k)
	if err != nil {
		return err
	}
	known := settingsOf(n)
	file, err := readConfig(c.File, known)
	if err != nil {
		return err
	}
	for _, s := range known {
		if v, ok := file.values[s.key]; ok && !s.inEnvironment() {
			if err := s.set(s.flag.Target, v.text); err != nil {
				return err
			}
		}
	}
	if err := all.Serve.sound(); err != nil {
		return err
	}
	if e.json {
		return e.object(map[string]any{"file": c.File, "settings": len(file.values)})
	}
	_, err = fmt.Fprintf(e.out, "%s is right: %s\n", c.File, counted(len(file.values), "setting"))
	return err
}

// sound finds what serve would refuse before it opens the database.
func (s *settings) sound() error {
	at, err := net.ResolveTCPAddr("tcp", string(s.Listen))
	if err != nil {
		return misused("give another address", "listen: %v", err)
	}
	if _, err := s.pprof(); err != nil {
		return err
	}
	if err := s.cluster.sound(&s.security); err != nil {
		return err
	}
	if s.Metrics != "" {
		at, err := net.ResolveTCPAddr("tcp", string(s.Metrics))
		if err != nil {
			return misused("give another address", "metrics: %v", err)
		}
		if err := s.permit(at); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	_, err = s.prepare(slog.New(slog.DiscardHandler), at, func(access.Refusal) {})
	return err
}

type configPrintCmd struct {
	settings
}

// Help is shown below the flags.
func (*configPrintCmd) Help() string {
	return `Takes what serve takes, and prints each setting: its key in a file, its value, and what gave it.

Examples:

    mainstem config print
    MAINSTEM_MEMORY=1GiB mainstem config print --config server.yaml --json`
}

// settingJSON is one setting in force.
type settingJSON struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	From    string `json:"from"`
	Flag    string `json:"flag"`
	Env     string `json:"env"`
	Default string `json:"default"`
}

func (c *configPrintCmd) Run(e *env, k *kong.Context, file *fromFile) error {
	for _, s := range settingsOf(k.Selected()) {
		value, err := s.value()
		if err != nil {
			return err
		}
		line := settingJSON{Key: s.key, Value: value, From: s.origin(k, file.file), Flag: "--" + s.flag.Name, Env: s.env, Default: s.fallback()}
		if e.json {
			err = e.object(line)
		} else {
			_, err = fmt.Fprintf(e.out, "%-24s %-24s %s\n", line.Key, line.Value, line.From)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
