package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/services/identity"
)

// export takes the account's trail as a file, verifies it as a third party would, with the
// public keys alone, and shows that neither a changed byte nor a missing end gets through.
func (d *Demo) export(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "primecloud-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keys, err := d.web.Fetch(ctx, "/v1/auditKeySet")
	if err != nil {
		return err
	}
	check := identity.TrailCheck{Keys: filepath.Join(dir, "keys.json")}
	if err := os.WriteFile(check.Keys, keys, 0o600); err != nil {
		return err
	}
	file, err := d.web.Fetch(ctx, "/v1/accounts/"+d.account+"/auditEntries:export?format=FORMAT_JSON_LINES")
	if err != nil {
		return err
	}
	var said bytes.Buffer
	if err := identity.VerifyExport(bytes.NewReader(file), check, &said); err != nil {
		return fmt.Errorf("the export does not verify: %w", err)
	}
	d.show("identity audit verify-export: %s", bytes.TrimSpace(said.Bytes()))
	changed := bytes.Replace(file, []byte("bucket.create"), []byte("bucket.creatE"), 1)
	lines := bytes.SplitAfter(file, []byte("\n"))
	lines = lines[:len(lines)-1] // behind the last line end there is nothing
	for _, forged := range []struct {
		what string
		file []byte
	}{
		{"one byte changed", changed},
		{"the last entry and the end cut off", bytes.Join(lines[:len(lines)-2], nil)},
		{"the last entry left out", append(bytes.Join(lines[:len(lines)-2], nil), lines[len(lines)-1]...)},
	} {
		err := identity.VerifyExport(bytes.NewReader(forged.file), check, &said)
		if err == nil || bytes.Equal(forged.file, file) {
			return fmt.Errorf("%s, and the file verifies", forged.what)
		}
		d.show("%s: %v", forged.what, err)
	}
	return nil
}

// leaveNothing takes away what the steps with the guest made.
func (d *Demo) leaveNothing(ctx context.Context) error {
	if _, err := d.guest.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+":leave", nil, nil); err != nil {
		return err
	}
	// The token that the guest had ends as soon as storage hears of it.
	left := time.Now()
	var last error
	err := within(ctx, 5*time.Second, func() error {
		if _, last = d.guest.Call(ctx, http.MethodGet, "/v1/accounts/"+d.account+"/buckets", nil, nil); last == nil {
			return errors.New("the guest still sees buckets")
		}
		return nil
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("look again %s after leaving", time.Since(left).Round(time.Millisecond))
	if err := d.guestRefused(what, last, http.StatusNotFound); err != nil {
		return err
	}
	return d.deleteBucket(ctx, d.account, d.hidden)
}
