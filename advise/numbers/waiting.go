package numbers

import "math"

// waiting are the calculators about tails and queues.
var waiting = []Calculator{
	{
		Name: "fanout", About: "how a request feels the tails of all that it asks at once",
		Formula: "slow = 1 - (1 - p)^n; to have slow requests be q, each must be slow in 1 - (1 - q)^(1/n); with a second ask of each, p becomes p^2",
		Source:  "Dean and Barroso, The Tail at Scale, CACM 2013",
		Assumes: []string{"the asked are slow independently of each other", "the second ask goes to another copy, and its wait until then is short beside the tail"},
		Inputs:  []Input{count("n", "asked at once", "100", 1, 1e6), share("slow", "share of answers of one that are slow", "1 %")},
		compute: func(in map[string]float64) ([]Figure, error) {
			n, p := in["n"], in["slow"]
			return []Figure{
				figure("slow requests", Share, 1-math.Pow(1-p, n)), figure("slow requests with a second ask", Share, 1-math.Pow(1-p*p, n)),
				figure("more load by the second ask", Share, p), figure("slow answers of one that keep slow requests at 1 %", Share, 1-math.Pow(0.99, 1/n)),
			}, nil
		},
	},
	{
		Name: "queue", About: "how long work waits for servers that are busy",
		Formula: "M/M/c: Erlang C with a = rate x work, rho = a / c; wait = C / (c/work - rate); p99 of the wait = ln(C / 0.01) / (c/work - rate)",
		Source:  "Erlang, 1917; Harchol-Balter, Performance Modeling and Design of Computer Systems, chapter 14",
		Assumes: []string{"arrivals are independent (Poisson), work is exponential, one line for all servers", "nobody leaves the line: where callers give up and repeat, it is worse"},
		Inputs:  []Input{rate("rate", "arrivals", "800/s"), duration("work", "mean work of one", "2 ms"), count("servers", "servers: cores, connections, workers", "2", 1, 10_000)},
		compute: queue,
	},
	{
		Name: "little", About: "how many are under way",
		Formula: "L = rate x time", Source: "Little, A proof for the queuing formula L = λW, 1961",
		Assumes: []string{"over a time long enough that as many leave as come"},
		Inputs:  []Input{rate("rate", "arrivals", "2000/s"), duration("time", "mean time of one, from arrival to end", "50 ms")},
		compute: func(in map[string]float64) ([]Figure, error) {
			return []Figure{figure("under way", Count, in["rate"]*in["time"])}, nil
		},
	},
}

func queue(in map[string]float64) ([]Figure, error) {
	c := in["servers"]
	offered := in["rate"] * in["work"]
	rho := offered / c
	if rho >= 1 {
		return nil, &Problem{"rate", "the servers are asked for " + say(Share, rho) + " of what they can", "the line grows without end: give more servers, or less work"}
	}
	// Erlang B by its recurrence, which does not overflow; then C.
	b := 1.0
	for i := 1.0; i <= c; i++ {
		b = offered * b / (i + offered*b)
	}
	waits := b / (1 - rho*(1-b))
	left := c/in["work"] - in["rate"]
	return []Figure{
		figure("utilisation", Share, rho), figure("share that waits", Share, waits), figure("mean wait", Duration, waits/left),
		figure("p99 of the wait", Duration, max(0, math.Log(waits/0.01)/left)), figure("mean time, work included", Duration, waits/left+in["work"]),
	}, nil
}
