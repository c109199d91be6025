package state

import (
	"github.com/mainstemdb/mainstem"
)

// streamHead is the length of a stream and the position of its last event.
type streamHead struct {
	length uint64
	last   mainstem.Position
}

func readStream(rows Rows, group, stream string) (streamHead, error) {
	value, ok, err := rows.Get(nameKey(kindStream, group, stream))
	if err != nil || !ok {
		return streamHead{}, err
	}
	return decodeStream(stream, value)
}

func decodeStream(stream string, value []byte) (streamHead, error) {
	r := reader{b: value}
	h := streamHead{length: r.uint(), last: mainstem.Position(r.uint())}
	return h, r.end("stream " + stream)
}

func readEvent(stream string, row Row) (mainstem.Recorded, error) {
	r := reader{b: row.Value}
	e := mainstem.Recorded{Number: eventNumber(row.Key), Position: mainstem.Position(r.uint())}
	e.Type, e.Data = r.string(), r.copied()
	return e, r.end("an event of stream " + stream)
}

func (j *judgement) stream(name string) (streamHead, error) {
	if h, ok := j.streams[name]; ok {
		return h, nil
	}
	return readStream(j.step.rows, j.t.Group, name)
}

func (j *judgement) streamLength(c mainstem.StreamLength) error {
	h, err := j.stream(c.Stream)
	if err == nil && h.length != c.Length {
		err = mainstem.Errorf(mainstem.Conflict, "stream %s in group %s has %d events, not %d", c.Stream, j.t.Group, h.length, c.Length)
	}
	return err
}

// streamsUnchanged needs no horizon: streams are never deleted, and the head
// of each says when it last grew.
func (j *judgement) streamsUnchanged(c mainstem.StreamsUnchanged) error {
	for row, err := range j.step.rows.Scan(bound(kindStream, j.t.Group, c.From), upper(kindStream, j.t.Group, c.To)) {
		if err != nil {
			return err
		}
		_, name, _ := names(row.Key, 0, 0)
		h, err := decodeStream(name, row.Value)
		if err != nil {
			return err
		}
		if h.last > c.Since {
			return mainstem.Errorf(mainstem.Conflict, "stream %s in the range [%q, %q) of group %s grew at position %s, after %s",
				name, c.From, c.To, j.t.Group, h.last, c.Since)
		}
	}
	return nil
}

func (j *judgement) append(o mainstem.Append) (mainstem.Effect, error) {
	h, err := j.stream(o.Stream)
	if err != nil {
		return mainstem.Effect{}, err
	}
	if j.more && j.streams == nil {
		j.streams = make(map[string]streamHead)
	}
	if j.more {
		j.streams[o.Stream] = streamHead{length: h.length + uint64(len(o.Events)), last: j.position()}
	}
	return mainstem.Effect{Kind: mainstem.EffectAppend, Name: o.Stream, Events: o.Events, First: h.length + 1}, nil
}

func (s *Step) admitAppend(group string, e *mainstem.Effect, p mainstem.Position) {
	for i, event := range e.Events {
		w := s.room.empty()
		w.uint(uint64(p))
		w.string(event.Type)
		w.bytes(event.Data)
		s.put(Write{Key: s.room.numbered(s.room.name(kindEvent, group, e.Name), e.First+uint64(i)), Value: w.b})
	}
	w := s.room.empty()
	w.uint(e.First + uint64(len(e.Events)) - 1)
	w.uint(uint64(p))
	s.put(Write{Key: s.room.name(kindStream, group, e.Name), Value: w.b})
}
