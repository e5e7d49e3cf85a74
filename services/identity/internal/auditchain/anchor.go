package auditchain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/token"
)

// overlap is how far before the last anchor the next one looks for chains that have grown:
// further than an entry may take from getting its time to its commit.
const overlap = 10 * time.Minute

// Directory keeps anchors as files that are written once, numbered, readable by all and
// writable by nobody, and the public keys beside them.
type Directory string

const (
	anchorPattern = "anchor-*.json"
	anchorName    = "anchor-%010d.json"
	keysName      = "keys.json"
)

// anchorFile is an anchor as it is kept.
type anchorFile struct {
	Format    string       `json:"format"`
	Time      string       `json:"time"`
	Previous  string       `json:"previous"`
	Heads     []anchorHead `json:"heads"`
	KeyID     string       `json:"key_id"`
	Signature string       `json:"signature"`
}

type anchorHead struct {
	AccountID string `json:"account_id"`
	Sequence  int64  `json:"sequence"`
	Hash      string `json:"hash"`
}

const anchorFormat = "primecloud.audit.anchor.v1"

// digest is the hash by which the next anchor names this one.
func (a Anchor) digest() Digest { return sha256.Sum256(a.message()) }

// Load returns the anchors, oldest first, and verifies their signatures, and that none is
// missing between two.
func (d Directory) Load(keys Keys) ([]Anchor, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var anchors []Anchor
	for i, name := range names {
		a, err := d.read(name)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: %w", name, err)
		}
		if err := keys.check("anchor "+name, a.message(), a.Signature); err != nil {
			return nil, err
		}
		// The oldest ones may have been put away.
		if i > 0 && a.Previous != anchors[i-1].digest() {
			return nil, fmt.Errorf("anchor %s does not follow %s: one between them is missing, or one was changed", name, names[i-1])
		}
		anchors = append(anchors, a)
	}
	return anchors, nil
}

func (d Directory) names() ([]string, error) {
	if _, err := os.Stat(string(d)); err != nil {
		return nil, fmt.Errorf("the directory of anchors: %w", err)
	}
	names, err := fs.Glob(os.DirFS(string(d)), anchorPattern)
	slices.Sort(names)
	return names, err
}

func (d Directory) read(name string) (Anchor, error) {
	raw, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		return Anchor{}, err
	}
	var file anchorFile
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return Anchor{}, err
	}
	if file.Format != anchorFormat {
		return Anchor{}, fmt.Errorf("it has the format %q", file.Format)
	}
	a := Anchor{Time: file.Time}
	_, err1 := MomentOf(file.Time)
	var err2, err3 error
	a.Previous, err2 = DigestOf(file.Previous)
	a.Signature, err3 = signatureOf(file.KeyID, file.Signature)
	for _, h := range file.Heads {
		hash, err := DigestOf(h.Hash)
		err1 = errors.Join(err1, err)
		a.Heads = append(a.Heads, Head{AccountID: h.AccountID, Position: Position{Sequence: h.Sequence, Hash: hash}})
	}
	return a, errors.Join(err1, err2, err3)
}

// write keeps an anchor behind the one with the number, whole or not at all. It fails when
// another replica was quicker.
func (d Directory) write(number int, a Anchor) error {
	file := anchorFile{
		Format: anchorFormat, Time: a.Time, Previous: a.Previous.String(), Heads: []anchorHead{},
		KeyID: a.Signature.KeyID, Signature: a.Signature.text(),
	}
	for _, h := range a.Heads {
		file.Heads = append(file.Heads, anchorHead{AccountID: h.AccountID, Sequence: h.Sequence, Hash: h.Hash.String()})
	}
	raw, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return d.put(fmt.Sprintf(anchorName, number+1), append(raw, '\n'), os.Link)
}

// put writes a file under its name when it is complete and on the disk.
func (d Directory) put(name string, content []byte, place func(from, to string) error) error {
	temporary, err := os.CreateTemp(string(d), ".writing-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(0o444), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return place(temporary.Name(), filepath.Join(string(d), name))
}

// keySet is a JSON Web Key Set (RFC 7517).
type keySet struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Kid string `json:"kid"`
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	X   string `json:"x"`
}

// ReadKeys reads a key set. A key whose id is not the one of its bytes is refused.
func ReadKeys(raw []byte) (Keys, error) {
	var set keySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("the keys are no JSON Web Key Set: %w", err)
	}
	keys := Keys{}
	for _, k := range set.Keys {
		public, err := token.NewPublicKey(k.Kid, k.X)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(public.Key)
		if k.Kid != base64.RawURLEncoding.EncodeToString(sum[:12]) {
			return nil, fmt.Errorf("key %q has the bytes of another one", k.Kid)
		}
		keys[public.ID] = public.Key
	}
	if len(keys) == 0 {
		return nil, errors.New("there are no keys in the set")
	}
	return keys, nil
}

// Keys returns the public keys that are kept beside the anchors.
func (d Directory) Keys() (Keys, error) {
	raw, err := os.ReadFile(filepath.Join(string(d), keysName))
	if err != nil {
		return nil, err
	}
	return ReadKeys(raw)
}

// putKeys adds the public keys to those that are there and takes none away: what the others
// have signed stays here too, whichever database they came from.
func (d Directory) putKeys(list []token.PublicKey) error {
	set, place := keySet{}, os.Link
	there, err := os.ReadFile(filepath.Join(string(d), keysName))
	switch {
	case err == nil:
		// What cannot be read is not written over, for there may be keys in it.
		if _, err := ReadKeys(there); err != nil {
			return fmt.Errorf("%s beside the anchors: %w", keysName, err)
		}
		if err := json.Unmarshal(there, &set); err != nil {
			return err
		}
		place = os.Rename
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	known := len(set.Keys)
	for _, k := range list {
		if !slices.ContainsFunc(set.Keys, func(j jwk) bool { return j.Kid == k.ID }) {
			set.Keys = append(set.Keys, jwk{Kid: k.ID, Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", X: k.X()})
		}
	}
	if len(set.Keys) == known {
		return nil
	}
	raw, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return err
	}
	err = d.put(keysName, append(raw, '\n'), place)
	if errors.Is(err, fs.ErrExist) {
		return d.putKeys(list) // another replica was quicker
	}
	return err
}

// Anchorer writes down, from time to time, where all chains end. Replicas may share a
// directory or have one each.
type Anchorer struct {
	// Directory is where to.
	Directory Directory
	// Every is how long an anchor is enough.
	Every time.Duration
	// Reader reads the chains, Keys sign.
	Reader Reader
	Keys   *Keyring
	// Clock tells the time.
	Clock clock.Clock
}

// Anchor writes an anchor when one is due, and returns how many chains it tells of.
func (a *Anchorer) Anchor(ctx context.Context) (int64, error) {
	if err := os.MkdirAll(string(a.Directory), 0o755); err != nil { //nolint:gosec // anchors are for everybody to read
		return 0, err
	}
	if err := a.Directory.putKeys(a.Keys.PublicKeys()); err != nil {
		return 0, err
	}
	number, last, err := a.last()
	if err != nil {
		return 0, err
	}
	next, since := Anchor{}, time.Time{}
	if number > 0 {
		at, err := MomentOf(last.Time)
		if err != nil || a.Clock.Now().Sub(at) < a.Every {
			return 0, err
		}
		next.Previous, since = last.digest(), at.Add(-overlap)
	}
	if next.Heads, err = a.grown(ctx, since); err != nil {
		return 0, err
	}
	// After the chains were read: all that the anchor tells of was appended by then.
	next.Time = Moment(a.Clock.Now())
	if next.Signature, err = a.Keys.Sign(next.message()); err != nil {
		return 0, err
	}
	err = a.Directory.write(number, next)
	if errors.Is(err, fs.ErrExist) {
		return 0, nil // another replica's
	}
	return int64(len(next.Heads)), err
}

func (a *Anchorer) last() (int, Anchor, error) {
	names, err := a.Directory.names()
	if err != nil || len(names) == 0 {
		return 0, Anchor{}, err
	}
	name := names[len(names)-1]
	var number int
	if _, err := fmt.Sscanf(strings.TrimPrefix(name, "anchor-"), "%d.json", &number); err != nil {
		return 0, Anchor{}, fmt.Errorf("%s is no name of an anchor", name)
	}
	last, err := a.Directory.read(name)
	return number, last, err
}

func (a *Anchorer) grown(ctx context.Context, since time.Time) ([]Head, error) {
	var grown []Head
	err := eachHead(ctx, a.Reader, func(h Head) error {
		if h.Sequence > 0 && h.AppendTime.After(since) {
			grown = append(grown, h)
		}
		return nil
	})
	return grown, err
}

// eachHead calls fn with every chain.
func eachHead(ctx context.Context, r Reader, fn func(Head) error) error {
	from := ""
	for {
		heads, err := r.Heads(ctx, from, pageOf)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if err := fn(h); err != nil {
				return err
			}
		}
		if len(heads) < pageOf {
			return nil
		}
		from = heads[len(heads)-1].AccountID + "\x01"
	}
}
