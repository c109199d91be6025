// Package file is the log engine for one process and one directory: segment
// files, one writer, one fdatasync for each record.
//
// # What is on the disk
//
// A directory holds a manifest (which log this is, where its kept part
// begins), segments numbered without a gap, a reserve for the day the disk is
// full, and the lock. A segment has its full size from the start. It holds a
// header, entries back to back, and in its last page a trailer: two slots for
// notes of what is durable, and one for the footer that seals it.
//
// # What an acknowledgement means
//
// Append returns after fdatasync did, for every byte of the record. Any error
// of a write, sync, close or rename ends the log (see Log.Done): nothing is
// retried on a descriptor that has failed once. Opening the directory again,
// in this process or another, finds what is on the disk and writes anew
// whatever may only be in the page cache.
//
// # Torn tail or damage
//
// After a crash the last bytes may be torn, and that is normal; an
// acknowledged record that is gone is not. Every entry says which index was
// durable when it was written. Open cuts the log at the first bad entry
// exactly when that entry is above everything that any valid frame calls
// durable, frames behind the break included. Otherwise it refuses, with a
// *Damage that says where. After a clean shutdown any bad tail is damage.
//
// What remains: the newest acknowledged record has no witness until the next
// thing is written: the next record, the note that follows within 100 ms
// (Config.NoteAfter) in another page, or the mark of a clean shutdown. If in
// that time the process dies uncleanly and the disk also damages that very
// record, its loss looks like a torn write: one record. If the damage takes
// the records and everything after them up to the end (a zeroed page), it is
// as many as were acknowledged since the last note. TestEveryBitFlip and
// TestZeroedTail count both.
package file
