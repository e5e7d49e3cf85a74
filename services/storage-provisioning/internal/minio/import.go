package minio

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/madmin-go/v3"
)

// IAM changes that carry a secret have two ways.
//
// The usual verbs seal their body, and some of their answers, with a key that Argon2
// derives from the administrator's secret: 60 to 380 ms a call, and 64 MiB of memory on
// either side. That protects the secret where the connection does not.
//
// The import verb takes a zip archive in the clear, signed but not sealed, and puts what is
// in it: 2 to 5 ms. Whoever could read the connection would read the secret. So it is used
// only where nobody can: over TLS, or to this very machine (Backend.confidential). Unlike
// the usual verbs it does not tell other sites of a site replication; we run none.
const (
	importPolicies = "policies.json"
	importUsers    = "users.json"
	importKeys     = "svcaccts.json"
)

type rawJSON = json.RawMessage

// errNotTaken is for an entry that the server did not put. It does not say why in a form that can be read: it may be
// the entry, and it may be trouble on its disks while it starts. The usual verb then says which.
var errNotTaken = errors.New("an entry of the import was not put")

// importIAM puts the entries, by name, and fails unless every one was put: with errNotTaken where the server answered
// so.
func (b *Backend) importIAM(ctx context.Context, file string, entries map[string]any) error {
	archive, err := zipped("iam-assets/"+file, entries)
	if err != nil {
		return err
	}
	res, err := b.admin.ExecuteMethod(ctx, http.MethodPut, madmin.RequestData{
		RelPath: "/v3/import-iam-v2", Content: archive,
	})
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	// The client's own method cannot read the answer of an import that failed in part.
	var said struct {
		Added struct {
			Policies        []string `json:"policies"`
			Users           []string `json:"users"`
			ServiceAccounts []string `json:"serviceAccounts"`
		} `json:"added"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&said); err != nil {
		return fmt.Errorf("read the answer of the import: %w", err)
	}
	added := map[string][]string{
		importPolicies: said.Added.Policies, importUsers: said.Added.Users, importKeys: said.Added.ServiceAccounts,
	}[file]
	if len(added) != len(entries) {
		// The server's reason stays behind: it may name the key.
		return errUnavailable.WithMessage("the storage backend did not take an entry; retry with the same idempotency key").Wrap(errNotTaken)
	}
	return nil
}

func zipped(name string, entries map[string]any) ([]byte, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	file, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return nil, fmt.Errorf("write an import: %w", err)
	}
	if err := json.NewEncoder(file).Encode(entries); err != nil {
		return nil, fmt.Errorf("write an import: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write an import: %w", err)
	}
	return archive.Bytes(), nil
}
