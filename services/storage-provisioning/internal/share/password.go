package share

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Argon2id as OWASP has it: 19 MiB, two passes, one lane; some 20 ms.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	lanes     = 1
	saltSize  = 16
	hashSize  = 32
	// hashers bounds how many passwords are hashed at a time, and with it memory.
	hashers = 4
)

// How many wrong passwords are borne within passwordWindow: of one address (an IPv6 network
// of 64 bits counts as one), and of all together, after which the link rests for everybody.
const (
	passwordWindow = 15 * time.Minute
	wrongOfOne     = 5
	wrongOfAll     = 50
)

// passwords hashes and compares. Make it with newPasswords.
type passwords struct{ seats chan struct{} }

func newPasswords() *passwords { return &passwords{seats: make(chan struct{}, hashers)} }

// hash returns how a password is kept; "" for none.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	sum, err := p.sum(ctx, password, setting{memory: memoryKiB, passes: passes, lanes: lanes, salt: salt})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memoryKiB, passes, lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// right reports whether a password is the one that was hashed.
func (p *passwords) right(ctx context.Context, password, hashed string) (bool, error) {
	with, want, err := parseHash(hashed)
	if err != nil {
		return false, err
	}
	got, err := p.sum(ctx, password, with)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

// setting is what a hash was made with, so that others can be chosen later.
type setting struct {
	memory, passes uint32
	lanes          uint8
	salt           []byte
}

// sum waits for a seat as long as the caller does.
func (p *passwords) sum(ctx context.Context, password string, with setting) ([]byte, error) {
	select {
	case p.seats <- struct{}{}:
		defer func() { <-p.seats }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), with.salt, with.passes, with.memory, with.lanes, hashSize), nil
}

func parseHash(hashed string) (with setting, sum []byte, err error) {
	parts := strings.Split(hashed, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return setting{}, nil, errHash
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &with.memory, &with.passes, &with.lanes); err != nil || n != 3 {
		return setting{}, nil, errHash
	}
	with.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	if err == nil {
		sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	if err != nil || len(sum) != hashSize || with.passes == 0 || with.lanes == 0 {
		return setting{}, nil, errHash
	}
	return with, sum, nil
}

// errHash does not repeat the hash.
var errHash = errors.New("share: a password hash has another form than the one written here")
