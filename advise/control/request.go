package control

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mainstemdb/mainstem/advise/rules"
)

// deadline is after how long a request is given up.
func (s *setting) deadline() {
	if !s.known("a deadline for requests", "objectives.p999") {
		return
	}
	p999 := s.value("objectives.p999")
	s.add(Control{
		Kind: Timeout, Name: "deadline", For: "each request", Value: p999.Text,
		Why:     "A request that has not been answered by then has missed its objective; what still works on it only holds up others.",
		Formula: "deadline = objective at p999; it is carried with the request, and what calls others gives them what is left of it",
		Assumes: []string{"one in a thousand may be cut off"}, Fields: []string{"objectives.p999"},
	}, "breaker-and-hedge", "tail-of-the-slowest")
}

// operations have queues in front of them, hot keys within, and fan-outs behind.
func (s *setting) operations() {
	wide, _ := rules.LookupThreshold("wide")
	hot, _ := rules.LookupThreshold("hot_key")
	busy, _ := rules.LookupThreshold("busy")
	s.each("operations", func(at, name string) {
		if s.known("a bound on the queue of "+name, at+".rate", "objectives.p99") {
			s.queue(at, name)
		}
		share, rate := s.value(at+".hottest_key"), s.value(at+".rate")
		if kind := s.value(at + ".kind").Text; share.Known && rate.Known && share.Amount >= hot.Amount() && rate.Amount > 0 && (kind == "write" || kind == "decide") {
			perSecond := rate.Amount * share.Amount / 100
			s.add(Control{
				Kind: Alert, Name: "turn at the hottest key", For: name, Value: "over " + spoken(busy.Amount()/100/perSecond),
				Why:     fmt.Sprintf("The hottest key gets %s of %s; turns that take longer make it busier than %s.", share.Text, rate.Text, busy.Value),
				Formula: "most time of a turn = busy / (rate x share of the hottest key)", Fields: []string{at + ".hottest_key", at + ".rate", at + ".kind"},
				Assumes: []string{"one key is one queue: turns come one after the other"},
			}, "split-hot-key", "compare-and-set")
		}
		parts := s.value(at + ".fan_out")
		if !parts.Known || parts.Amount < wide.Amount() {
			return
		}
		n := strconv.FormatFloat(parts.Amount, 'f', -1, 64)
		if part, calc, ok := compute("fanout", "slow answers of one that keep slow requests at 1 %", [2]string{"n", n}, [2]string{"slow", "1 %"}); ok {
			s.add(Control{
				Kind: Alert, Name: "slow answers of one part", For: name, Value: "over " + part,
				Why:     "It waits for " + n + " at once. If more of the answers of each are slow, more than one request in a hundred is.",
				Formula: "slow answers of one = 1 - 0.99^(1/n)", Calc: calc, Fields: []string{at + ".fan_out"},
				Assumes: []string{"the parts are slow independently of each other", "it waits for all of them"},
			}, "tail-of-the-slowest")
		}
	})
}

func (s *setting) queue(at, name string) {
	rate, p99 := s.value(at+".rate"), s.value("objectives.p99")
	if rate.Amount <= 0 || p99.Amount < shortest {
		return
	}
	waiting, calc, ok := compute("little", "under way", [2]string{"rate", rateInput(rate.Amount)}, [2]string{"time", input(p99.Amount)})
	if !ok {
		return
	}
	s.add(Control{
		Kind: Queue, Name: "queue", For: name, Value: waiting + " at most, and then refuse",
		Why:     "What stands behind as many as arrive within the objective cannot be answered in time; refused at once it can be repeated.",
		Formula: "queue = rate x objective at p99 (Little), rounded up, at least 1", Calc: calc, Fields: []string{at + ".rate", "objectives.p99"},
		Assumes: []string{"the rate is that of the peak", "work keeps up with arrivals"},
	}, "headroom", "linearizable")
}

// externals are called with a timeout, a budget of repetitions, and a breaker.
func (s *setting) externals() {
	s.each("externals", func(at, name string) {
		if !s.known("a timeout for "+name, at+".p99") {
			return
		}
		p99 := s.value(at + ".p99").Amount
		timeout := 2 * p99
		c := Control{
			Kind: Timeout, Name: "timeout", For: name, Value: spoken(timeout),
			Why: "Answers slower than that are fewer than one in a hundred; who waits longer waits for something else.", Formula: "timeout = 2 x p99 of its answers",
			Assumes: []string{"its p99 is that of a good day"}, Fields: []string{at + ".p99"},
		}
		if limit := s.value("objectives.p999"); limit.Known && timeout > limit.Amount {
			c.Value += ", and outside of the request"
			c.Why = fmt.Sprintf("It is longer than the deadline of a request (%s), so nobody can wait for it there: record the wish, answer, and call afterwards.", limit.Text)
			c.Fields = append(c.Fields, "objectives.p999")
		}
		s.add(c, "breaker-and-hedge")
		s.retries(at, name, p99)
		s.add(Control{
			Kind: Breaker, Name: "breaker", For: name, Value: "open at half of 20 calls failed or over " + spoken(timeout) + "; try one again after " + spoken(10*timeout),
			Why: "While it is down its callers fail at once, and it is not kept down by their calls.", Formula: "open if failures >= 10 of the newest 20; closed again by one success after 10 timeouts",
			Assumes: []string{"where one call in a hundred fails by chance, ten of twenty do so less than once in 10^14 times", "20 calls come within a few seconds; with fewer the breaker is late"}, Fields: []string{at + ".p99"},
		}, "breaker-and-hedge")
	})
}

// cutOff is the share of calls over their p99.
const cutOff = 0.01

func (s *setting) retries(at, name string, p99 float64) {
	if !s.known("repetitions of calls to "+name, at+".takes_request_id", "objectives.availability") {
		return
	}
	available := s.value("objectives.availability")
	c := Control{
		Kind: Retry, Name: "repetitions", For: name, Value: "none: ask it what became of the call",
		Why: "It does not recognise a repetition, and may do it twice.", Formula: "0 where no ID is taken", Fields: []string{at + ".takes_request_id"},
	}
	if s.value(at + ".takes_request_id").Yes() {
		fail := 1 - available.Amount/100
		if fail <= 0 || fail >= 1 {
			return
		}
		again := min(5, max(1, int(math.Ceil(math.Log(fail)/math.Log(cutOff)-1e-9))-1))
		c.Value = fmt.Sprintf("%d at most, with the same ID, after %s, twice as long each time, and a random part of that; within a budget of 10 %% of calls", again, spoken(p99))
		c.Why = fmt.Sprintf("One call in a hundred is cut off; with as many repetitions the share that fails after all is below the %s that may.", percent(100*fail))
		c.Formula = "repetitions = ln(1 - availability) / ln(0.01) - 1, rounded up, 1 to 5"
		c.Assumes = []string{"calls fail independently: in an outage they do not, which is what the budget and the breaker are for"}
		c.Fields = append(c.Fields, "objectives.availability", at+".p99")
	}
	s.add(c, "request-ids", "breaker-and-hedge")
}

func percent(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " %" }
