package environment

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/primecloud/primecloud/pkg/seal"
)

// Secrets are the passwords and keys of one environment: each is made the first time it
// is asked for and kept in a file of its own, readable by the owner alone.
type Secrets struct {
	dir string

	mu    sync.Mutex
	known map[string]string
}

// OpenSecrets opens the secrets kept in the folder `secrets` of dir, made if there is none.
func OpenSecrets(dir string) (*Secrets, error) {
	s := &Secrets{dir: filepath.Join(dir, "secrets"), known: map[string]string{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != "" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(s.dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("secrets: %w", err)
		}
		s.known[entry.Name()] = string(raw)
	}
	// A folder that cannot be written would give other secrets at the next start.
	probe := filepath.Join(s.dir, "writable.probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	return s, os.Remove(probe)
}

// Get returns a secret of 48 hexadecimal characters, the same at every start. It panics
// when a new one cannot be kept, since whoever uses it would be locked out at the next start.
func (s *Secrets) Get(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.known[name]; ok {
		return value
	}
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails: it ends the process rather than return weak bytes
	value := hex.EncodeToString(raw)
	if err := os.WriteFile(s.File(name), []byte(value), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		panic(fmt.Sprintf("keep the secret %s: %v", name, err))
	}
	s.known[name] = value
	return value
}

// File returns the file that a secret is kept in.
func (s *Secrets) File(name string) string { return filepath.Join(s.dir, name) }

// Keyset returns the file with the keys that a service seals its secrets with, made at
// the first call.
func (s *Secrets) Keyset(noun string) (string, error) {
	path := s.File(noun + "-keyset.json")
	if err := seal.NewKeysetFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
}
