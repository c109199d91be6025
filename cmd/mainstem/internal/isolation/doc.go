// Package isolation runs the histories of package anomaly on a real PostgreSQL, in
// every order that their steps can have, and holds what is said of its levels against
// what happens. It has tests only.
package isolation
