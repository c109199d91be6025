package pg

import (
	"fmt"
	"sync"
)

// savepoint is the name of Run's savepoint, which is outermost in its transaction.
const savepoint = "mainstem_once"

// savepoints gives those of Once their names. Requests within each other need names
// that differ: PostgreSQL goes back to the newest savepoint of a name, and one that was
// refused or failed leaves its own. A name that was given back is used again, so there
// are as many as requests at once, and the server's statistics know few statements.
var savepoints names

type names struct {
	mu   sync.Mutex
	free []string
	made int
}

func (n *names) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := len(n.free) - 1
	if last < 0 {
		n.made++
		return fmt.Sprintf("%s_%d", savepoint, n.made)
	}
	name := n.free[last]
	n.free = n.free[:last]
	return name
}

func (n *names) giveBack(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.free = append(n.free, name)
}
