//go:build !breaklaw

// Package breaklaw lets one tagged test build break a law on purpose, so that
// a test can show which check goes red. In every other build On is constant.
package breaklaw

// On reports whether the law is to be broken: never, in this build.
func On(string) bool { return false }
