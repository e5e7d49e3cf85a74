//go:build !linux

package suite

import "syscall"

// tied puts a child in a process group of its own. Outside Linux the kernel does not end it
// when this process is killed.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
