// Command testreport reads the output of go test -json and prints what a
// person needs of it: one line per package, everything a failed test said,
// the rounds that randomized tests ran, what was not run and why, and one
// line of sums. Plain go test hides the last three unless it shows all.
//
//	go test -json ./... | testreport
//
// It exits with 1 if a test or a build failed, or if no test ran at all.
package main

import (
	"fmt"
	"os"
)

func main() {
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !r.summary() {
		os.Exit(1)
	}
}
