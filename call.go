package mainstem

import (
	"context"
	"encoding/json"
)

// Call is Do with a typed reply: what fn returns is stored, as JSON, under the
// ID, and every later call with the ID returns the same reply without running
// fn.
//
// A function that ends with Refuse makes Call return a refusal, now and on
// every retry: errors.As finds it as a Refused of the type that Refuse was
// given. Nothing else was written then.
//
// The Receipt is there whenever the ID has committed, also beside a refusal and
// beside a stored reply that is no T (Invalid).
func Call[T any](ctx context.Context, g Group, id string, fn func(tx *Txn) (T, error), opts ...DoOption) (T, *Receipt, error) {
	var none T
	receipt, err := g.Do(ctx, id, func(tx *Txn) error {
		reply, err := fn(tx)
		if err != nil {
			return err
		}
		b, err := json.Marshal(reply)
		if err != nil {
			return Errorf(Invalid, "the reply of type %T cannot be encoded: %w", reply, err)
		}
		tx.Reply(b)
		return nil
	}, opts...)
	if err != nil {
		return none, receipt, err
	}
	if receipt.Refused {
		return none, receipt, &refusal{id: id, group: g.name, receipt: receipt}
	}
	var reply T
	if err := json.Unmarshal(receipt.Reply, &reply); err != nil {
		e := Errorf(Invalid, "ID %s in group %s has committed, with a reply that is no %T: %w", quoteShort(id), quoteShort(g.name), reply, err)
		e.Advice = "call with the type that the first call had; it is not run again"
		return none, receipt, e
	}
	return reply, receipt, nil
}

// Refuse ends a function with a typed refusal that is remembered under the ID,
// as JSON. Return its error from the function unchanged. See Txn.Refuse for one
// in plain bytes.
func Refuse[R any](tx *Txn, why R) error {
	b, err := json.Marshal(why)
	if err != nil {
		return Errorf(Invalid, "the refusal of type %T cannot be encoded: %w", why, err)
	}
	return tx.Refuse(b)
}

// Refused is a remembered refusal as the caller sees it. It is an outcome and
// not a failure, so it has no Code. Take it from the error of Call:
//
//	var no mainstem.Refused[SoldOut]
//	if errors.As(err, &no) { … no.Reply … }
//
// One ID should refuse with one type: any JSON that fits R is taken for it.
type Refused[R any] struct {
	Reply   R
	Receipt *Receipt
}

// Error says that the transaction was refused.
func (r Refused[R]) Error() string { return refusedText(r.Receipt) }

func (r *Refused[R]) from(f *refusal) bool {
	var reply R
	if json.Unmarshal(f.receipt.Reply, &reply) != nil {
		return false
	}
	*r = Refused[R]{Reply: reply, Receipt: f.receipt}
	return true
}

// refusal is Refused before its type is known.
type refusal struct {
	id, group string
	receipt   *Receipt
}

func (f *refusal) Error() string {
	where := ""
	if f.id != "" {
		where = "ID " + quoteShort(f.id) + " in "
	}
	return where + "group " + quoteShort(f.group) + ": " + refusedText(f.receipt)
}

// As fills a Refused of any type that the stored reply fits.
func (f *refusal) As(target any) bool {
	typed, ok := target.(interface{ from(*refusal) bool })
	return ok && typed.from(f)
}

func refusedText(r *Receipt) string {
	if r == nil {
		return "refused"
	}
	return "refused at position " + r.Position.String() + ": " + quoteShort(string(r.Reply))
}
