package demo

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// entry is one answer that a shopper got.
type entry struct {
	ID       string            `json:"id"`
	Item     string            `json:"item"`
	Quantity int64             `json:"quantity"`
	SoldOut  bool              `json:"sold_out,omitempty"` // refused: too little was left
	Position mainstem.Position `json:"position,omitempty"`
	Left     int64             `json:"left"`
}

// ledger is the parent's own record of answers, outside the database and the
// process that is killed: an append-only file of JSON lines.
type ledger struct {
	mu   sync.Mutex
	file *os.File
}

func newLedger(name string) (*ledger, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &ledger{file: file}, nil
}

func (l *ledger) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.file.Write(append(line, '\n'))
	return err
}

// read reads the record back from the file, in the order of the answers.
func (l *ledger) read() ([]entry, error) {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bufio.NewReader(l.file))
	var entries []entry
	for {
		var e entry
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the record of acknowledgements, entry %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
}

func (l *ledger) close() { _ = l.file.Close() } // written already
