package mainstem

// Condition is what must hold at the tail of the log for a transaction to
// commit. Names are relative to the transaction's group. The set is closed.
type Condition interface{ condition() }

type (
	// KeyAbsent holds if the key does not exist. It fails as Exists.
	KeyAbsent struct{ Name string }

	// KeyUnchanged holds if nothing has written or deleted the key after
	// Since. It fails as Conflict; as Trimmed when the key is absent and Since
	// is older than the history kept.
	KeyUnchanged struct {
		Name  string
		Since Position
	}

	// KeyEquals holds if the key exists with exactly this value. It fails as
	// Conflict.
	KeyEquals struct {
		Name  string
		Value Value
	}

	// StreamLength holds if the stream has exactly Length events. Lengths
	// never restart. It fails as Conflict.
	StreamLength struct {
		Stream string
		Length uint64
	}

	// RangeUnchanged holds if no key in [From, To) was written or deleted
	// after Since; an empty To means no upper end. It excludes phantoms. It
	// fails as Conflict, or as Trimmed when Since is older than the history
	// kept.
	RangeUnchanged struct {
		From, To string
		Since    Position
	}

	// StreamsUnchanged holds if no stream in [From, To) was appended to after
	// Since; an empty To means no upper end. It fails as Conflict.
	StreamsUnchanged struct {
		From, To string
		Since    Position
	}

	// LeaseHeld holds if the newest grant of the lease has this token and was
	// not released. An expired lease still holds until somebody else is
	// granted it (L7). It fails as Fenced.
	LeaseHeld struct {
		Lease string
		Token FencingToken
	}

	// Committed holds if the opaque ID has committed in this group and is
	// still remembered. It fails as Conflict.
	Committed struct{ ID string }
)

func (KeyAbsent) condition()        {}
func (KeyUnchanged) condition()     {}
func (KeyEquals) condition()        {}
func (StreamLength) condition()     {}
func (RangeUnchanged) condition()   {}
func (StreamsUnchanged) condition() {}
func (LeaseHeld) condition()        {}
func (Committed) condition()        {}
