package demo

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// what an observed call was.
type what uint8

const (
	looked  what = iota // the stock was read
	sold                // a purchase was made
	refused             // too little was left
)

// observed is one call as somebody outside saw it, on the clock of the run.
type observed struct {
	item     string
	what     what
	client   int
	from, to int64 // nanoseconds; of a repeated purchase, from the first attempt that may have committed
	quantity int64
	left     int64 // stock afterwards, or as read
}

// history is everything seen, by item.
func (m *market) history() map[string][]porcupine.Operation {
	byItem := map[string][]porcupine.Operation{}
	add := func(seen []observed) {
		for _, o := range seen {
			byItem[o.item] = append(byItem[o.item], porcupine.Operation{
				ClientId: o.client + 1, Input: o, Call: o.from, Output: o, Return: o.to,
			})
		}
	}
	add(m.looks)
	for _, s := range m.shoppers {
		add(s.seen)
	}
	return byItem
}

// checkTime bounds the checking of one run.
const checkTime = 5 * time.Second

// linearizable checks each item's history on its own (Herlihy and Wing, 1990:
// a system is linearizable exactly if each of its objects is), and says yes,
// no, or unknown when time ran out.
func linearizable(byItem map[string][]porcupine.Operation, initial map[string]int64) string {
	deadline, verdict := time.Now().Add(checkTime), "yes"
	for _, item := range sortedKeys(byItem) {
		left := time.Until(deadline)
		if left <= 0 {
			return "unknown"
		}
		switch porcupine.CheckOperationsTimeout(stockModel(initial[item]), byItem[item], left) {
		case porcupine.Illegal:
			return "no"
		case porcupine.Unknown:
			verdict = "unknown"
		}
	}
	return verdict
}

// stockModel is an item's stock as one thing that is never below 0.
func stockModel(initial int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, _ any) (bool, any) {
			stock, call := state.(int64), input.(observed)
			switch call.what {
			case sold:
				after := stock - call.quantity
				return after >= 0 && after == call.left, after
			case refused:
				return stock < call.quantity, stock
			default:
				return stock == call.left, stock
			}
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	}
}
