package minio

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

var _ principal.Inventory = (*Backend)(nil)

// maxCensus bounds an export of IAM; one of 10 000 keys has some 2 MiB.
const maxCensus = 512 << 20

// censusTries is how often the export is asked for. The server lists the keys and then asks itself
// for each: one that is deleted in between breaks the export off, the sooner the more keys there are.
const censusTries = 5

// errNotWhole is for an export that was broken off.
var errNotWhole = errors.New("minio: an export that is not whole")

// importMappings is the document of which policies users have.
const importMappings = "user_mappings.json"

// TakeCensus returns everything that IAM holds, by the server's export of it: a few milliseconds,
// and a fraction of one for each key, where asking for one key takes a tenth of a second. The
// export has all secrets in it, in the clear, so it is asked for only where nobody can read it
// on the way (see import.go), and they are left in the archive.
func (b *Backend) TakeCensus(ctx context.Context) (census principal.Census, ok bool, err error) {
	if !b.confidential {
		return principal.Census{}, false, nil
	}
	err = b.cfg.Around(ctx, "minio.TakeCensus", func(ctx context.Context) error {
		var err error
		for range censusTries {
			census, err = b.exportIAM(ctx)
			if !errors.Is(err, errAbsent) && !errors.Is(err, errNotWhole) {
				break
			}
		}
		return err
	})
	return census, err == nil, err
}

func (b *Backend) exportIAM(ctx context.Context) (census principal.Census, err error) {
	err = b.requestWithin(ctx, b.cfg.CensusTimeout, func(ctx context.Context) error {
		body, err := b.admin.ExportIAM(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		// In memory, not by way of a file.
		raw, err := io.ReadAll(io.LimitReader(body, maxCensus))
		if err != nil {
			return err
		}
		census, err = censusOf(raw)
		return err
	})
	return census, err
}

// The documents of an export, as far as they are read.
type (
	exportedUser struct {
		Status string `json:"status"`
	}
	exportedMapping struct {
		Policies string `json:"policy"`
	}
	exportedKey struct {
		Parent     string          `json:"parent"`
		Policy     json.RawMessage `json:"sessionPolicy"`
		Status     string          `json:"status"`
		Expiration time.Time       `json:"expiration"`
	}
)

// censusOf reads an export. One that lacks a document says nothing of the rest either.
func censusOf(raw []byte) (principal.Census, error) {
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return principal.Census{}, errBrokenOff.Wrap(errors.Join(errNotWhole, err))
	}
	var policies map[string]json.RawMessage
	var users map[string]exportedUser
	var keys map[string]exportedKey
	var mappings map[string]exportedMapping
	for _, document := range []struct {
		name string
		into any
	}{{importPolicies, &policies}, {importUsers, &users}, {importKeys, &keys}, {importMappings, &mappings}} {
		at := slices.IndexFunc(archive.File, func(f *zip.File) bool { return f.Name == "iam-assets/"+document.name })
		if at < 0 {
			return principal.Census{}, errBrokenOff.Wrap(errNotWhole)
		}
		content, err := unzip(archive.File[at])
		if err != nil {
			return principal.Census{}, errBrokenOff.Wrap(errors.Join(errNotWhole, err))
		}
		if err := json.Unmarshal(content, document.into); err != nil {
			// What cannot be read may hold secrets: it is not repeated.
			return principal.Census{}, errUnavailable.WithMessage("the storage backend's %s cannot be read", document.name)
		}
	}
	census := principal.Census{Users: map[string]principal.User{}, Policies: map[string][]byte{}, Keys: map[string]principal.Key{}}
	for name, document := range policies {
		census.Policies[name] = document
	}
	for name, found := range users {
		u := principal.User{Exists: true, Enabled: found.Status == "enabled"}
		if attached := mappings[name].Policies; attached != "" {
			u.Policies = strings.Split(attached, ",")
			slices.Sort(u.Policies)
		}
		census.Users[name] = u
	}
	for id, found := range keys {
		census.Keys[id] = found.key()
	}
	return census, nil
}

func (e exportedKey) key() principal.Key {
	k := principal.Key{Exists: true, Enabled: e.Status == "on", User: e.Parent}
	if text := string(e.Policy); text != "" && text != "null" {
		k.Policy = e.Policy
	}
	// Never is the zero time, or that of Unix.
	if e.Expiration.Unix() > 0 {
		k.ExpireTime = e.Expiration.UTC()
	}
	return k
}
