package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profile is a processor profile of the window of a visit. Of a server it shows
// the clients.
type profile struct{ file *os.File }

// start begins it, if a file is named.
func (p *profile) start(name string) (err error) {
	if name == "" {
		return nil
	}
	if p.file, err = os.Create(name); err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(p.file); err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	return nil
}

func (p *profile) stop() error {
	if p.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	return p.file.Close()
}
