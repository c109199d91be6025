// Package wire turns what a Backend speaks into the messages of the contract in
// proto/mainstem/v1, and back. Server and client share it and add nothing of
// their own to what is said. What cannot be turned is an error of code Invalid
// that names the field, never a default.
package wire
