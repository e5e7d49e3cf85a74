// Package seal encrypts secrets at rest, each for the one place it is stored in: tenant,
// table, column and row are bound in as associated data, so that a sealed value copied
// into another row, or another tenant's, does not open.
//
// It uses Tink's AES-256-GCM with a keyset: one primary key seals, every key of the set
// opens. Sealing the same value twice gives different bytes. The package owns neither
// the storing of the sealed bytes nor what becomes of a secret once it is opened.
package seal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrNotOpened is returned for bytes that were not sealed for this place by a key of this
// keyset, or were changed since. It does not say which.
var ErrNotOpened = errors.New("seal: the value cannot be opened: changed, sealed for another place, or by a key that is not in the keyset")

// Context is the place a sealed value belongs to.
type Context struct {
	// Tenant is the account, or empty for what belongs to the platform.
	Tenant string
	// Table and Column name where it is stored.
	Table  string
	Column string
	// Row is the primary key, which never changes.
	Row string
}

// Sealer seals and opens. It is safe for concurrent use.
type Sealer struct {
	aead tink.AEAD
}

// Seal encrypts plaintext for the place.
func (s *Sealer) Seal(_ context.Context, plaintext []byte, place Context) ([]byte, error) {
	bound, err := place.associatedData()
	if err != nil {
		return nil, err
	}
	sealed, err := s.aead.Encrypt(plaintext, bound)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts what was sealed for the place.
func (s *Sealer) Open(_ context.Context, sealed []byte, place Context) ([]byte, error) {
	bound, err := place.associatedData()
	if err != nil {
		return nil, err
	}
	plaintext, err := s.aead.Decrypt(sealed, bound)
	if err != nil {
		return nil, fmt.Errorf("%w (%s.%s)", ErrNotOpened, place.Table, place.Column)
	}
	return plaintext, nil
}

// associatedData writes each part behind its length, so that no two places look alike.
func (c Context) associatedData() ([]byte, error) {
	if c.Table == "" || c.Column == "" || c.Row == "" {
		return nil, errors.New("seal: table, column and row must be named")
	}
	data := []byte("primecloud.seal.v1")
	for _, part := range []string{c.Tenant, c.Table, c.Column, c.Row} {
		data = binary.BigEndian.AppendUint64(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data, nil
}
