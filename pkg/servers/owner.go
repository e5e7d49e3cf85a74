package servers

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// owner is the unprivileged user that a server refusing root runs as.
type owner struct {
	uid, gid uint32
	// pathless says that a folder above its files is closed to it.
	pathless bool
}

// unprivileged returns whom to become, or nil when this process is not root anyway. The
// paths are those the server must reach.
func unprivileged(paths ...string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	o := &owner{uid: 65534, gid: 65534}
	if nobody, err := user.Lookup("nobody"); err == nil {
		uid, uidErr := strconv.ParseUint(nobody.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(nobody.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			o.uid, o.gid = uint32(uid), uint32(gid)
		}
	}
	for _, path := range paths {
		open, err := traversable(path)
		if err != nil {
			return nil, err
		}
		o.pathless = o.pathless || !open
	}
	return o, nil
}

// traversable says whether anybody may walk down to the folder.
func traversable(path string) (bool, error) {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false, fmt.Errorf("look for a way to %s: %w", path, err)
		}
		if info.Mode()&fs.FileMode(0o001) == 0 {
			return false, nil
		}
		if dir == filepath.Dir(dir) {
			return true, nil
		}
	}
}

// own gives a file to the user; a nil owner leaves it as it is.
func (o *owner) own(path string) error {
	if o == nil {
		return nil
	}
	if err := os.Chown(path, int(o.uid), int(o.gid)); err != nil {
		return fmt.Errorf("give %s to the user that runs the server: %w", path, err)
	}
	return nil
}
