// Package access stands before a database that others can reach: who they are,
// what each of them may do, and how much of it.
//
//   - Parse reads a policy: clients, their tokens (as hashes) and certificates,
//     their rights per group and name, their limits. Open keeps one up to date
//     with its file, as a Gate.
//   - Middleware finds out who sends an HTTP request; Guarded gives the Backend
//     that the sender may use, and Guard is that Backend. It answers, or
//     refuses with mainstem.Denied; it never leaves something out of an answer that
//     was asked for by name.
//   - TLS makes the server's half of TLS 1.3, and Permit says whether a server may
//     listen where it does.
//
// A refusal reads the same whether what it is about exists or not.
package access
