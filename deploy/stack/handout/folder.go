package handout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// write puts the files into the folder of that name below dir. The folder itself stays
// ours, so that a container cannot replace what it was given.
func (f Folder) write(dir string) error {
	folder := filepath.Join(dir, f.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, content := range f.Files {
		if err := f.place(filepath.Join(folder, name), content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// place makes the file in one step, so that whoever is reading it now reads all of one.
func (f Folder) place(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(0o400))
	if err == nil && f.Owner != os.Getuid() {
		// Last, since somebody else's file cannot be changed any more without further rights.
		err = file.Chown(f.Owner, f.Owner)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
