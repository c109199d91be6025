package demo

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// checkPlain asks the checker about a history as it was observed.
func checkPlain(calls []observed) string {
	all := make([]porcupine.Operation, 0, len(calls))
	for _, o := range calls {
		all = append(all, porcupine.Operation{Input: o, Call: o.from, Output: o, Return: o.to})
	}
	if porcupine.CheckOperationsTimeout(stockModel(10), all, time.Minute) == porcupine.Ok {
		return "yes"
	}
	return "no"
}
