package peer

import "golang.org/x/sync/errgroup"

// loaders is how many loading transactions are under way at a time.
const loaders = 64

// inParallel calls fn for the pieces of [from, to) that lie between multiples
// of size.
func inParallel(from, to, size int, fn func(from, to int) error) error {
	var g errgroup.Group
	g.SetLimit(loaders)
	for from < to {
		start, end := from, min(to, (from/size+1)*size)
		g.Go(func() error { return fn(start, end) })
		from = end
	}
	return g.Wait()
}
