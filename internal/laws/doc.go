// Package laws shows that every law has a check that goes red when the law is
// broken. It is tests only, behind the build tag breaklaw, in which product
// code can be told at run time to break one law (internal/breaklaw); every
// other build has no way to. Run it by make breaklaw.
package laws
