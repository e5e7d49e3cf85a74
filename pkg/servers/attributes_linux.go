package servers

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes puts the child in a process group of its own, so that Ctrl-C in a terminal
// reaches only us and we stop the children in order, and ends it with us.
func attributes(c command) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.orphaned}
	if c.owner != nil {
		a.Credential = &syscall.Credential{Uid: c.owner.uid, Gid: c.owner.gid}
		if c.owner.pathless {
			a.AmbientCaps = searchCapability()
		}
	}
	return a
}

// searchCapability is what lets an unprivileged user walk through a folder that is closed
// to it: the narrow one where we hold it, else the wider one that containers leave to root.
func searchCapability() []uintptr {
	const dacOverride, dacReadSearch = 1, 2
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(status)) {
		mask, found := strings.CutPrefix(line, "CapPrm:")
		if !found {
			continue
		}
		held, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return nil
		}
		for _, bit := range []uintptr{dacReadSearch, dacOverride} {
			if held&(1<<bit) != 0 {
				return []uintptr{bit}
			}
		}
	}
	return nil
}
