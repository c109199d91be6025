package state

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// describe is one row in words: what layout.go says of its key, and what its
// value holds.
func describe(key, value []byte, deleted bool) string {
	var what string
	group, name, _ := names(key, 0, 0)
	switch key[0] {
	case kindKey:
		group, name, _ = names(key, 0, suffix)
		what = fmt.Sprintf("key %s/%s at %s", group, name, VersionPosition(key))
	case kindHistory:
		if len(key) == 1+suffix || len(key) == 1 {
			what = "history"
			if len(key) > 1 {
				what += fmt.Sprintf(" of the window up to %d", eventNumber(key))
			}
			break
		}
		return fmt.Sprintf("in the window up to %d: %s", eventNumber(key[:1+suffix]), describe(key[1+suffix:], value, deleted))
	case kindStream:
		what = fmt.Sprintf("stream %s/%s", group, name)
	case kindEvent:
		group, name, _ = names(key, 0, suffix)
		what = fmt.Sprintf("event %s/%s number %d", group, name, eventNumber(key))
	case kindLease:
		what = fmt.Sprintf("lease %s/%s", group, name)
	case kindPresented:
		what = fmt.Sprintf("presented %s/%s", group, name)
	case kindVoid:
		what = fmt.Sprintf("void %s/%s", group, name)
	case kindExpiry:
		group, name, _ = names(key, suffix, 0)
		what = fmt.Sprintf("expiry of %s/%s at %s", group, name, mainstem.LogAge(eventNumber(key[:9])))
	case kindID:
		what = fmt.Sprintf("ID in the bucket of %s", mainstem.LogAge(eventNumber(key[:9])))
	case kindRefusal:
		what = fmt.Sprintf("refusal in the bucket of %s", mainstem.LogAge(eventNumber(key[:9])))
	case kindSession:
		what = fmt.Sprintf("session %d", key[1])
	case kindReceipts:
		what = fmt.Sprintf("receipts of record %d to session %d", eventNumber(key[:1+16+suffix]), key[1])
	case kindRecord:
		what = fmt.Sprintf("record %d", eventNumber(key))
	case kindTail:
		what = "tail"
	default:
		what = fmt.Sprintf("unknown %q", key)
	}
	if deleted {
		return "no " + what
	}
	return strings.TrimSpace(what + " " + describeValue(key, value))
}

func describeValue(key, value []byte) string {
	r := reader{b: value}
	switch key[0] {
	case kindKey:
		v, err := readVersion("", Row{Key: key, Value: value})
		if err != nil {
			return err.Error()
		}
		return "= " + versionText(v)
	case kindStream:
		return fmt.Sprintf("has %d events, the last at position %d", r.uint(), r.uint())
	case kindEvent:
		e, err := readEvent("", Row{Key: key, Value: value})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("= %s:%s", e.Type, e.Data)
	case kindLease:
		owner, token, until, released := r.string(), r.uint(), mainstem.LogAge(r.uint()), r.flag()
		return fmt.Sprintf("granted to %s, token %d, until %s, released %t", owner, token, until, released)
	case kindPresented, kindRefusal:
		return fmt.Sprint("= ", r.uint())
	case kindID:
		row, err := decodeID(value, mainstem.ID{})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s/%s at position %s", row.group, row.id.Opaque, row.position)
	case kindReceipts:
		text := fmt.Sprintf("up to %d:", r.uint())
		for len(r.b) > 0 && !r.bad {
			number := r.uint()
			row, err := decodeID(r.bytes(), mainstem.ID{})
			if err != nil {
				return err.Error()
			}
			text += fmt.Sprintf(" %d in %s at position %s", number, row.group, row.position)
		}
		return text
	case kindSession:
		return fmt.Sprintf("asks from %d on, has committed up to %d", r.uint(), r.uint())
	default:
		return ""
	}
}

func versionText(v mainstem.Version) string {
	text := "deleted"
	if v.Exists {
		text = fmt.Sprintf("%q", v.Value.Bytes)
	}
	if v.Value.Counter {
		text = fmt.Sprint(v.Value.Int)
	}
	if v.Until > 0 {
		text += fmt.Sprintf(", may expire at %s", v.Until)
	}
	return text
}

// effectText is one decided effect.
func effectText(e mainstem.Effect) string {
	text := fmt.Sprintf("%s %s", e.Kind, e.Name)
	switch e.Kind {
	case mainstem.EffectPut:
		text += " = " + versionText(mainstem.Version{Exists: true, Value: e.Value, Until: e.Until})
	case mainstem.EffectAdd:
		text += fmt.Sprintf(" by %d = %s", e.Delta, versionText(mainstem.Version{Exists: true, Value: e.Value, Until: e.Until}))
	case mainstem.EffectAppend, mainstem.EffectEmit:
		for i, event := range e.Events {
			text += fmt.Sprintf(" %d:%s:%s", e.First+uint64(i), event.Type, event.Data)
		}
	case mainstem.EffectGrant, mainstem.EffectRenew, mainstem.EffectRelease:
		text += fmt.Sprintf(" to %s, token %d, until %s", e.Owner, e.Token, e.Until)
	case mainstem.EffectPresent:
		text += fmt.Sprintf(" token %d", e.Token)
	case mainstem.EffectExpire:
		text += fmt.Sprintf(", which was due at %s", e.Until)
	}
	return text
}

func receiptText(r *mainstem.Receipt) string {
	text := fmt.Sprintf("position %s, age %s", r.Position, r.Age)
	if len(r.Reply) > 0 {
		text += fmt.Sprintf(", reply %q", r.Reply)
	}
	if r.Refused {
		text += ", refused"
	}
	for i, result := range r.Results {
		if result != (mainstem.Result{}) {
			text += fmt.Sprintf(", result %d: counter %d, length %d, token %d", i+1, result.Counter, result.Length, result.Token)
		}
	}
	return text
}
