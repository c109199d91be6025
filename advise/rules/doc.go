// Package rules holds the two guides to data-intensive systems as data: every
// decision point, failure mode, worked example, gate, boundary, principle and
// question, each with its source lines, its conditions over a workload, what
// it prevents and leaves, what it costs, how to check it, and what implements
// it here.
//
// The files below data are the rules; the code only reads and evaluates them.
// Every rule comes with an example that fires it and one counter-example for
// each of its conditions, and a test runs them all. sources.yaml accounts for
// every line of both guides.
package rules
