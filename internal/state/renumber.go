package state

import "bytes"

// Renumber is a row of a state as it is on a log whose slots are the indexes of its
// records, as those of files are: places of records, and the tail, name slots, and no log that it has moved through is of any more use. Every other
// row is as it was. The row is the caller's.
func Renumber(row Row) (Row, error) {
	switch {
	case len(row.Key) > 0 && row.Key[0] == kindRecord:
		place, err := decodePlace(row)
		if err != nil {
			return row, err
		}
		place.Head.Slot = place.Head.Index
		return Row{Key: bytes.Clone(row.Key), Value: place.encode()}, nil
	case bytes.Equal(row.Key, tailKey):
		tail, err := decodeTail(row.Value)
		if err != nil {
			return row, err
		}
		tail.Head.Slot = tail.Head.Index
		tail.Generations = nil // it has not moved: it is where it is made
		return Row{Key: bytes.Clone(row.Key), Value: tail.encode()}, nil
	}
	return Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value)}, nil
}
