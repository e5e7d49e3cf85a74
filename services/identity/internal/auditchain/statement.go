package auditchain

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/token"
)

// Signature is what a key has put under a statement.
type Signature struct {
	// KeyID names the key.
	KeyID string
	// Bytes are the 64 bytes of Ed25519.
	Bytes []byte
}

func (s Signature) text() string { return base64.StdEncoding.EncodeToString(s.Bytes) }

func signatureOf(keyID, text string) (Signature, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != ed25519.SignatureSize {
		return Signature{}, fmt.Errorf("%q is no signature in base64", text)
	}
	return Signature{KeyID: keyID, Bytes: raw}, nil
}

// Signer signs statements.
type Signer interface {
	// Sign returns the signature under the message.
	Sign(message []byte) (Signature, error)
}

// Keys are the public keys that somebody trusts, by their ids.
type Keys map[string]ed25519.PublicKey

// KeysOf returns the keys as they are verified with.
func KeysOf(list []token.PublicKey) Keys {
	keys := Keys{}
	for _, k := range list {
		keys[k.ID] = k.Key
	}
	return keys
}

// check verifies a signature under a message.
func (k Keys) check(what string, message []byte, s Signature) error {
	key, known := k[s.KeyID]
	switch {
	case !known:
		return fmt.Errorf("%s is signed with key %q, which is none of the keys given", what, s.KeyID)
	case !ed25519.Verify(key, message, s.Bytes):
		return fmt.Errorf("%s does not have the signature of key %q: it is forged or was changed", what, s.KeyID)
	}
	return nil
}

// Checkpoint says where a chain begins: behind the last entry of a month that was dropped.
type Checkpoint struct {
	// AccountID is whose chain it is.
	AccountID string
	// Position is that of the last entry that was dropped.
	Position
	// Month is the month that was dropped, such as "2026-11".
	Month string
	// Signature is under the rest.
	Signature Signature
}

func (c Checkpoint) message() []byte {
	return fields("primecloud.audit.checkpoint.v1", c.AccountID, strconv.FormatInt(c.Sequence, 10), c.Hash.String(), c.Month)
}

// Check verifies the signature.
func (c Checkpoint) Check(keys Keys) error {
	return keys.check(fmt.Sprintf("the checkpoint of account %q at entry %d", c.AccountID, c.Sequence), c.message(), c.Signature)
}

// Head is where an account's chain ended at some moment.
type Head struct {
	// AccountID is whose chain it is.
	AccountID string
	// Position is that of its last entry.
	Position
	// AppendTime is when that was appended; statements leave it out.
	AppendTime time.Time
}

// Anchor says where chains ended at a moment; it is kept outside of the database.
type Anchor struct {
	// Time is when, as Moment writes it.
	Time string
	// Previous is the hash of the anchor before it in the same directory; zero for the first.
	Previous Digest
	// Heads are the chains that have grown since the anchor before it.
	Heads []Head
	// Signature is under the rest.
	Signature Signature
}

func (a Anchor) message() []byte {
	message := fields("primecloud.audit.anchor.v1", a.Time, a.Previous.String(), strconv.Itoa(len(a.Heads)))
	for _, h := range a.Heads {
		message = append(message, fields(h.AccountID, strconv.FormatInt(h.Sequence, 10), h.Hash.String())...)
	}
	return message
}

// ending is the last line of an export: where the account's chain ended when it was made.
type ending struct {
	AccountID string
	// After is where the export begins, Last where it ends.
	After, Last Position
	// Time is when it was made, as Moment writes it.
	Time      string
	Signature Signature
}

func (e ending) message() []byte {
	return fields("primecloud.audit.export.v1", e.AccountID, strconv.FormatInt(e.After.Sequence, 10), e.After.Hash.String(),
		strconv.FormatInt(e.Last.Sequence, 10), e.Last.Hash.String(), e.Time)
}
