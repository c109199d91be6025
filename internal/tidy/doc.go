// Package tidy holds the rules of this repository as tests.
//
// A rule that only people remember is kept until the first busy week. So
// every rule that a machine can judge stands here, one file each, together
// with a planted violation that proves the rule can go red. A violation names
// the file, the line, the rule, and what to do about it.
//
// The tests read the files themselves and never ask the go command: an answer
// of "go list" would come from the test cache after the files have changed.
package tidy
