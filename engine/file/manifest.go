package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// The manifest says which log this directory holds and where its kept part
// begins. Without it an emptied directory would pass for a new log, and a
// lost first segment for a trimmed one.
const (
	manifestName  = "manifest"
	manifestMagic = "MAINLOG\n"
	manifestSize  = 48
)

type manifest struct {
	log   [16]byte
	first uint64 // id of the oldest segment that is kept
}

func (m manifest) encode() []byte {
	b := make([]byte, manifestSize)
	copy(b, manifestMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	copy(b[16:32], m.log[:])
	binary.LittleEndian.PutUint64(b[32:], m.first)
	binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
	return b
}

func decodeManifest(b []byte) (manifest, error) {
	if len(b) < manifestSize || string(b[:8]) != manifestMagic ||
		binary.LittleEndian.Uint32(b[44:]) != crc32.Checksum(b[:44], castagnoli) {
		return manifest{}, errors.New("the manifest's checksum does not match")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > formatVersion {
		return manifest{}, fmt.Errorf("%w: manifest format %d, this build reads up to %d: open it with the newer build that wrote it", ErrVersion, v, formatVersion)
	}
	m := manifest{first: binary.LittleEndian.Uint64(b[32:])}
	copy(m.log[:], b[16:32])
	return m, nil
}

// readManifest returns nil when there is none.
func readManifest(fs disk.FS, dir string) (*manifest, error) {
	name := fs.PathJoin(dir, manifestName)
	there, err := disk.Exists(fs, name)
	if err != nil || !there {
		return nil, err
	}
	b, err := disk.ReadFile(fs, name, 1<<16)
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if errors.Is(err, ErrVersion) {
		return nil, err
	}
	if err != nil {
		return nil, &Damage{File: manifestName, What: err.Error()}
	}
	return &m, nil
}

func writeManifest(fs disk.FS, dir string, m manifest) error {
	return disk.WriteFile(fs, fs.PathJoin(dir, manifestName), m.encode())
}
