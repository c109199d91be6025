// Command mainstem works on a Mainstem database in a directory: it reads,
// writes, follows, imports, exports and inspects it, and its demo kills a
// database while shoppers buy from it. Run it without arguments for a start.
package main

import (
	"os"

	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
