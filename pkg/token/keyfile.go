package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keyFileAge is how old a cached set may be: a key withdrawn since then must not come back.
const keyFileAge = 24 * time.Hour

type keyFile struct {
	FetchedAt time.Time      `json:"fetched_at"`
	Keys      []keyFileEntry `json:"keys"`
}

type keyFileEntry struct {
	ID string `json:"kid"`
	X  string `json:"x"`
}

// readKeyFile returns the cached keys; none, without an error, when there is no file.
func readKeyFile(path string, now time.Time) ([]PublicKey, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	// Who may write the file may log in as anybody.
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("token: %s may be written by others than its owner", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	var file keyFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("token: %s: %w", path, err)
	}
	if age := now.Sub(file.FetchedAt); age > keyFileAge || age < -keyFileAge {
		return nil, fmt.Errorf("token: %s is from %s, which is too long ago", path, file.FetchedAt)
	}
	var keys []PublicKey
	for _, entry := range file.Keys {
		key, err := NewPublicKey(entry.ID, entry.X)
		if err != nil {
			return nil, fmt.Errorf("token: %s: %w", path, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// writeKeyFile replaces the file in one step, readable by its owner alone.
func writeKeyFile(path string, keys []PublicKey, now time.Time) error {
	file := keyFile{FetchedAt: now}
	for _, k := range keys {
		file.Keys = append(file.Keys, keyFileEntry{ID: k.ID, X: k.X()})
	}
	raw, err := json.Marshal(file)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	// CreateTemp makes it 0600.
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("token: %w", err), os.Remove(temp.Name()))
	}
	return nil
}
