//go:build !linux

package servers

import "syscall"

// attributes puts the child in a process group of its own. Outside Linux the kernel does
// not end it when this process is killed.
func attributes(c command) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if c.owner != nil {
		a.Credential = &syscall.Credential{Uid: c.owner.uid, Gid: c.owner.gid}
	}
	return a
}
