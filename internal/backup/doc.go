// Package backup keeps the frozen state of a partition in a blob store: its rows in
// the order of their keys, in chunks, and a manifest, written last, that names every
// chunk with its hash. It knows neither the engine nor the store that the rows came
// from. Beside the snapshots lies the archive, which has the records themselves.
package backup
