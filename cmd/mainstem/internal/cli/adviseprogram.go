package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/program"
)

// writtenProgram is what --json says of a program.
type writtenProgram struct {
	Directory string   `json:"directory"`
	Files     []string `json:"files"`
	Run       []string `json:"run"`
}

// program writes a program into a directory, and says how to run it.
func (e *env) program(answer *advise.Answer, dir string) error {
	files, err := program.Files(answer, "v0.0.0")
	if errors.Is(err, program.ErrNothing) {
		return misused("answer what it calls open, and ask again", "the answer recommends nothing that a program could show")
	}
	if err != nil {
		return err
	}
	switch there, err := os.ReadDir(dir); {
	case err == nil && len(there) > 0:
		return misused("name a directory that is new or empty", "%s is not empty; a program is not written over what is there", dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	w := writtenProgram{Directory: dir, Run: []string{
		"cd " + dir, "go mod edit -replace github.com/mainstemdb/mainstem=MAINSTEM", "go mod tidy", "go run .",
	}}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Text, 0o644); err != nil {
			return err
		}
		w.Files = append(w.Files, f.Name)
	}
	if e.json {
		return e.object(w)
	}
	for _, name := range w.Files {
		fmt.Fprintf(e.out, "wrote %s\n", filepath.Join(dir, filepath.FromSlash(name)))
	}
	fmt.Fprintf(e.out, "\nTo run it; MAINSTEM is where its sources are:\n\n")
	for _, line := range w.Run {
		fmt.Fprintf(e.out, "    %s\n", line)
	}
	return nil
}
