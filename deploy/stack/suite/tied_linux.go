package suite

import "syscall"

// tied puts a child in a process group of its own, and ends it with the thread that made it.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
