//go:build breaklaw

// Package breaklaw lets one tagged test build break a law on purpose, so that
// a test can show which check goes red. In every other build On is constant.
package breaklaw

import "sync/atomic"

var law atomic.Value

// On reports whether the law is to be broken.
func On(name string) bool {
	broken, _ := law.Load().(string)
	return broken == name
}

// Break chooses the one law to break from now on; empty breaks none.
func Break(name string) { law.Store(name) }
