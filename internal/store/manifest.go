package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// checkManifest reports whether there is a state. It reads the whole of Pebble's manifest, and refuses one that
// does not end with a whole record.
//
// Pebble takes the first record that it cannot read for the end: right for one
// that was being written when the machine stopped, wrong for one that has
// rotted, after which it gives out sequence numbers a second time and panics
// later, in a compaction. The two look alike. So neither is trusted: the state
// is derived, and is built anew from a snapshot and the log.
func checkManifest(fs disk.FS, dir string) (there bool, err error) {
	exists, err := disk.Exists(fs, dir)
	if err != nil || !exists {
		return false, err
	}
	desc, err := pebble.Peek(dir, fs)
	if err != nil || !desc.Exists {
		return false, err
	}
	file, err := fs.Open(desc.ManifestFilename)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for edits := record.NewReader(file, 0); ; {
		edit, err := edits.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, edit)
		}
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case record.IsInvalidRecord(err):
			return true, fmt.Errorf("%s ends in the middle of a record, or is damaged: %w", desc.ManifestFilename, err)
		case err != nil:
			return true, err
		}
	}
}
