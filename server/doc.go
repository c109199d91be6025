// Package server turns a Backend into an http.Handler: gRPC, gRPC-Web, Connect and
// JSON on one port, as proto/mainstem/v1 has it, health and readiness beside them.
// It adds no meaning of its own: package remote is the same Backend at the other
// end of the wire, and every test that passes on a database in this process passes
// through both.
//
// The handler knows no users. Put authentication before it, and give it the
// rights of a request with Guard.
package server
