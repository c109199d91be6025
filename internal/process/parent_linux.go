package process

import "syscall"

// endsWithParent has Linux send SIGQUIT when the parent ends, which a server takes
// as the order to stop at once.
func endsWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
