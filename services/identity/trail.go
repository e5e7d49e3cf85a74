package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/token"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// trail is what keeps the audit trail whole and proves it.
type trail struct {
	keys      *auditchain.Keyring
	export    *auditchain.Exporter
	retention *auditchain.Retention
	// anchors is nil without a directory.
	anchors *auditchain.Anchorer
}

func (s *Service) newTrail(sealer *seal.Sealer) trail {
	c, chain, clock := s.config, s.stores.AuditChain, s.deps.Clock
	t := trail{keys: auditchain.NewKeyring(chain, sealer, clock)}
	t.export = &auditchain.Exporter{Reader: chain, Witness: chain, Signer: t.keys, Clock: clock}
	t.retention = &auditchain.Retention{Keep: c.AuditRetention, Months: chain, Signer: t.keys, Clock: clock}
	if c.AuditAnchors != "" {
		t.anchors = &auditchain.Anchorer{
			Directory: auditchain.Directory(c.AuditAnchors), Every: c.AuditAnchorEvery, Reader: chain, Keys: t.keys, Clock: clock,
		}
	}
	return t
}

// anchor writes down where the chains end, if there is a place for it.
func (t trail) anchor(ctx context.Context) (int64, error) {
	if t.anchors == nil {
		return 0, nil
	}
	return t.anchors.Anchor(ctx)
}

// TrailCheck is what the audit trail, or an export of it, is verified with.
type TrailCheck struct {
	// Anchors is a directory of anchors, or empty.
	Anchors string
	// Keys is a file with the public keys to trust, as GET /v1/auditKeySet gives them; empty
	// takes those in the directory of anchors.
	Keys string
}

// load returns what the files say.
func (c TrailCheck) load() (auditchain.Keys, []auditchain.Anchor, error) {
	directory := auditchain.Directory(c.Anchors)
	var keys auditchain.Keys
	var err error
	switch {
	case c.Keys != "":
		var raw []byte
		if raw, err = os.ReadFile(c.Keys); err == nil {
			keys, err = auditchain.ReadKeys(raw)
		}
	case c.Anchors != "":
		keys, err = directory.Keys()
	}
	if err != nil || c.Anchors == "" {
		return keys, nil, err
	}
	anchors, err := directory.Load(keys)
	return keys, anchors, err
}

// VerifyExport verifies a file that ExportAuditEntries gave, offline, and says in out what
// it holds.
func VerifyExport(file io.Reader, c TrailCheck, out io.Writer) error {
	keys, anchors, err := c.load()
	if err != nil {
		return err
	}
	if keys == nil {
		return errors.New("give the public keys with -keys FILE, or a directory of anchors that has them with -anchors DIR")
	}
	held, err := auditchain.VerifyExport(file, keys, anchors)
	if err != nil {
		return err
	}
	report := &bytes.Buffer{}
	fmt.Fprintf(report, "account %s: entries %d to %d are whole, as of %s\n", held.AccountID, held.After.Sequence+1, held.Last.Sequence, held.Time)
	switch {
	case held.Dropped != "":
		fmt.Fprintf(report, "older entries were dropped up to %s, as a signed checkpoint says\n", held.Dropped)
	case held.After.Sequence > 0:
		fmt.Fprintf(report, "it goes on from entry %d with the hash %s: hold that against the export before it\n", held.After.Sequence, held.After.Hash)
	}
	if c.Anchors != "" {
		fmt.Fprintf(report, "%d anchors agree\n", held.Anchors)
	}
	_, err = out.Write(report.Bytes())
	return err
}

// VerifyTrail verifies the whole audit trail in the database, and says in out what it found.
// Without keys from outside it takes those of the database, and says so.
func VerifyTrail(ctx context.Context, database config.Secret, c TrailCheck, out io.Writer) error {
	keys, anchors, err := c.load()
	if err != nil {
		return err
	}
	db, err := pg.Open(ctx, pg.Config{URL: database, ApplicationName: Name + " audit verify"}, pg.Deps{})
	if err != nil {
		return err
	}
	defer db.Close()
	chain := postgres.NewAuditChain(db)
	report := &bytes.Buffer{}
	if keys == nil {
		stored, err := chain.PublicKeys(ctx)
		if err != nil {
			return err
		}
		var public []token.PublicKey
		for _, k := range stored {
			public = append(public, token.PublicKey{ID: k.ID, Key: k.Public})
		}
		keys = auditchain.KeysOf(public)
		fmt.Fprintln(report, "note: the keys are the database's own; whoever can write to it could have changed them. Give -keys or -anchors")
	}
	found, err := auditchain.Verify(ctx, chain, keys, anchors)
	if err != nil {
		return err
	}
	fmt.Fprintf(report, "%d chains with %d entries are whole; %d begin at a checkpoint\n", found.Chains, found.Entries, found.Checkpoints)
	if c.Anchors != "" {
		fmt.Fprintf(report, "%d anchors agree at %d places\n", len(anchors), found.Anchored)
	} else {
		fmt.Fprintln(report, "note: without anchors a tail that was cut off together with its head goes unnoticed. Give -anchors")
	}
	_, err = out.Write(report.Bytes())
	return err
}
