package file

import (
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// segmentSizeFor is the size of a segment that can hold a body of that many
// bytes: the configured one, or more for a body that is larger.
func segmentSizeFor(configured int64, body int64) int64 {
	need := (dataStart + body + trailer + 4095) / 4096 * 4096
	return max(configured, need)
}

// errNamed marks an error after which a segment may or may not stand under its
// final name. Even on a full disk there is no going on from it: an entry that
// still fits the old segment would contradict the new one.
var errNamed = errors.New("the segment may already have its name")

// roomMissing tells whether a segment could not be made because the disk is
// full, and left nothing behind.
func roomMissing(err error) bool { return disk.IsFull(err) && !errors.Is(err, errNamed) }

// createSegment makes a segment with the given body under its final name,
// durably: temporary file, every byte written, synced, renamed, directory
// synced. A file of that name is replaced in one step, which is how recovery
// rewrites the last segment (RELIABILITY 1.2, 1.3, 1.7). On error nothing
// under the final name has changed, unless the rename itself was under way.
func createSegment(fs disk.FS, dir string, h header, body func(h header) []byte) (*segment, error) {
	temp := fs.PathJoin(dir, segmentName(h.id)) + disk.TempSuffix
	f, err := disk.Create(fs, temp)
	if err != nil {
		return nil, fmt.Errorf("file: create %s: %w", temp, err)
	}
	if err := disk.Zero(f, h.size); err != nil {
		_ = f.Close()       // the file is thrown away
		_ = fs.Remove(temp) // and if that fails, the next Open removes it
		return nil, fmt.Errorf("file: make %s: %w", temp, err)
	}
	return finishSegment(fs, dir, temp, f, h, body)
}

// finishSegment makes a segment of a file whose every byte was written.
func finishSegment(fs disk.FS, dir, temp string, f disk.File, h header, body func(h header) []byte) (*segment, error) {
	name := segmentName(h.id)
	h.nonce = newNonce()
	if err := fillSegment(f, h, body); err != nil {
		_ = f.Close()       // as above
		_ = fs.Remove(temp) // as above
		return nil, fmt.Errorf("file: make %s: %w", temp, err)
	}
	if err := fs.Rename(temp, fs.PathJoin(dir, name)); err != nil {
		_ = f.Close() // synced; the rename's error is the one to tell
		return nil, fmt.Errorf("file: rename %s: %w: %w", temp, errNamed, err)
	}
	if err := disk.SyncDir(fs, dir); err != nil {
		_ = f.Close() // as above
		return nil, fmt.Errorf("file: make %s durable: %w: %w", name, errNamed, err)
	}
	return newSegment(h, name, f), nil
}

func fillSegment(f disk.File, h header, body func(h header) []byte) error {
	if body != nil {
		if _, err := f.WriteAt(body(h), dataStart); err != nil {
			return fmt.Errorf("write the entries: %w", err)
		}
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}
