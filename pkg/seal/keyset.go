package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// KEK is the key that encrypts a keyset, usually one that never leaves a key management
// service. Tink's clients for such services have these methods. It is asked when the
// keyset is read or written, not for every value.
type KEK interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

// Keyset is a file of keys, in Tink's JSON format.
//
// To rotate: AddKey, restart every process that opens values, Promote, restart them
// again. A key may go once nothing is sealed by it any more; no method here removes one.
type Keyset struct {
	// File is the path.
	File string
	// KEK encrypts the file; without one the file is in clear text, and its mode is all
	// that protects it.
	KEK KEK
}

// NewKeysetFile creates a keyset with one key in clear text, readable by its owner alone.
// It leaves an existing file as it is and returns an error that is fs.ErrExist.
func NewKeysetFile(path string) error { return Keyset{File: path}.Create() }

// Create writes a keyset with one new key. An existing file is left as it is: the error
// is then fs.ErrExist.
func (k Keyset) Create() error {
	manager := keyset.NewManager()
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = manager.SetPrimary(id)
	}
	if err != nil {
		return fmt.Errorf("seal: new keyset: %w", err)
	}
	// A link, unlike a rename, is made only when nothing is there.
	return k.write(manager, os.Link)
}

// Sealer reads the keyset.
func (k Keyset) Sealer() (*Sealer, error) {
	handle, err := k.read()
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("seal: keyset %s: %w", k.File, err)
	}
	return &Sealer{aead: primitive}, nil
}

// AddKey adds a new key that opens, but does not seal yet, and returns its id.
func (k Keyset) AddKey() (uint32, error) {
	handle, err := k.read()
	if err != nil {
		return 0, err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return 0, fmt.Errorf("seal: new key: %w", err)
	}
	return id, k.write(manager, os.Rename)
}

// Promote makes the key the one that seals.
func (k Keyset) Promote(id uint32) error {
	handle, err := k.read()
	if err != nil {
		return err
	}
	manager := keyset.NewManagerFromHandle(handle)
	if err := manager.SetPrimary(id); err != nil {
		return fmt.Errorf("seal: keyset %s: %w", k.File, err)
	}
	return k.write(manager, os.Rename)
}

func (k Keyset) read() (*keyset.Handle, error) {
	handle, err := k.decode()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("seal: there is no keyset at %s; create one, or name another file: %w", k.File, err)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: keyset %s: %w", k.File, err)
	}
	return handle, nil
}

func (k Keyset) decode() (*keyset.Handle, error) {
	info, err := os.Stat(k.File)
	if err != nil {
		return nil, err
	}
	// The group may read it: that is how a mounted Kubernetes secret reaches its user.
	if k.KEK == nil && info.Mode().Perm()&0o037 != 0 {
		return nil, fmt.Errorf("is in clear text and has mode %s; do chmod 600", info.Mode().Perm())
	}
	raw, err := os.ReadFile(k.File)
	if err != nil {
		return nil, err
	}
	reader := keyset.NewJSONReader(bytes.NewReader(raw))
	if k.KEK == nil {
		return insecurecleartextkeyset.Read(reader)
	}
	return keyset.Read(reader, k.KEK)
}

// write puts the keyset into a new file and has place move that to where it belongs.
func (k Keyset) write(manager *keyset.Manager, place func(from, to string) error) error {
	err := k.writeWith(manager, place)
	if err != nil {
		return fmt.Errorf("seal: keyset %s: %w", k.File, err)
	}
	return nil
}

func (k Keyset) writeWith(manager *keyset.Manager, place func(from, to string) error) error {
	handle, err := manager.Handle()
	if err != nil {
		return err
	}
	var encoded bytes.Buffer
	if k.KEK == nil {
		err = insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&encoded))
	} else {
		err = handle.Write(keyset.NewJSONWriter(&encoded), k.KEK)
	}
	if err != nil {
		return err
	}
	// CreateTemp makes files that only their owner can read.
	file, err := os.CreateTemp(filepath.Dir(k.File), "."+filepath.Base(k.File)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(encoded.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = place(file.Name(), k.File)
	}
	// After a rename there is nothing to remove any more.
	if removed := os.Remove(file.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
