// Package ask decides what to ask next about a workload, and takes the answers.
//
// It knows no terminal: an Interview gives a question and is given a text, and the
// same answers lead to the same questions. A form, a pipe and an assistant hold the
// same conversation.
//
// A field is asked for as long as a rule that can still fire, or has fired and is
// informed by it, reads it. What an answer has made pointless is never asked. What
// matters most comes first, so that one can stop at any time.
package ask
