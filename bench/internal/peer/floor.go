package peer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// floorSync is what the disk allows to anybody who gathers as Mainstem does:
// one writer, one preallocated file, one write and one fdatasync per group.
var floorSync = Peer{Name: "floor-sync", Kinds: []Kind{CAS}, Open: openFloor}

// floorFile is as long as a segment of Mainstem's log; then it is begun anew. Every
// byte of it has been written once, so that no sync has to record where the
// blocks are.
const floorFile = 16 << 20

type floor struct {
	file   disk.File
	buf    []byte
	offset int64
	alone  bool // a caller writes by itself: to hand over and wait would be no floor
	record Record
	waits  chan chan error
	stop   chan struct{}
	writer sync.WaitGroup
}

func openFloor(_ context.Context, c Config) (System, error) {
	name := filepath.Join(c.Dir, "floor")
	if err := os.WriteFile(name, make([]byte, floorFile), 0o600); err != nil {
		return nil, err
	}
	file, err := disk.OpenReadWrite(disk.Default, name)
	if err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	s := &floor{file: file, buf: noise(floorFile), alone: c.Clients <= 1, record: c.Record, waits: make(chan chan error, max(1, c.Clients)), stop: make(chan struct{})}
	s.writer.Go(s.write)
	return s, nil
}

// Do waits until a record that has room for one more transaction is durable.
func (s *floor) Do(ctx context.Context, _ *Op) (uint64, error) {
	if s.alone {
		return 1, s.group(1)
	}
	done := make(chan error, 1)
	s.waits <- done
	select {
	case err := <-done:
		return 1, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *floor) write() {
	var group []chan error
	for {
		group = group[:0]
		select {
		case first := <-s.waits:
			group = append(group, first)
		case <-s.stop:
			return
		}
		for more := true; more; {
			select {
			case next := <-s.waits:
				group = append(group, next)
			default:
				more = false
			}
		}
		err := s.group(len(group))
		for _, done := range group {
			done <- err
		}
	}
}

// group makes a record of so many transactions durable.
func (s *floor) group(n int) error {
	size := min(int64(s.record.Base+s.record.Each*float64(n)), floorFile)
	if s.offset+size > floorFile {
		s.offset = 0
	}
	_, err := s.file.WriteAt(s.buf[s.offset:s.offset+size], s.offset)
	if err == nil {
		err = s.file.SyncData()
	}
	s.offset += size
	return err
}

// noise is bytes that no device can write in fewer.
func noise(n int) []byte {
	buf := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(buf) // it never fails
	return buf
}

// Floor says that nothing is stored under keys.
func (s *floor) Floor() {}

// Settings are the sizes that were taken from Mainstem's own log.
func (s *floor) Settings() map[string]string {
	return map[string]string{"record": fmt.Sprintf("%.0f bytes + %.0f per transaction, as Mainstem wrote", s.record.Base, s.record.Each), "writers": "1"}
}

func (s *floor) Close() error {
	close(s.stop)
	s.writer.Wait()
	return s.file.Close()
}
