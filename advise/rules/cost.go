package rules

// CostKind is what a cost is paid in.
type CostKind struct {
	Name  string `json:"name"`
	Means string `json:"means"`
}

// CostKinds are all of them, those that users notice first.
var CostKinds = []CostKind{
	{"latency", "something waits for longer"},
	{"availability", "something is refused, or stands still"},
	{"staleness", "something old is shown"},
	{"guarantee", "something is not promised"},
	{"machines", "more machines, or more work for them"},
	{"storage", "more is kept"},
	{"operations", "more to watch, check or change by hand"},
	{"code", "more code, or more care in it"},
}
