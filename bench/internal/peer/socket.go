package peer

import "os"

// socketDir is a directory for a server's Unix socket, to be removed with it. A
// socket's path may have about 100 bytes, so it is not below the data.
func socketDir() (string, error) { return os.MkdirTemp("", "bench-") }
