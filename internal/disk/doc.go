// Package disk is the only door to files. Log and state both open theirs
// through an FS of this package, so one fault injector, one power-cut
// simulator and one set of durability rules covers every byte that Mainstem
// keeps.
//
//   - The functions in file.go are the few file operations an engine needs,
//     each as durable as its docstring says.
//   - [Power] is a disk that forgets what was not synced.
//   - [Faults] is a disk that fails on command.
package disk
