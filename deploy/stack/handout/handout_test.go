package handout_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/primecloud/primecloud/deploy/stack/handout"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/seal"
)

func configuration(t *testing.T) handout.Config {
	t.Helper()
	dir := t.TempDir()
	var c handout.Config
	if err := config.Load(&c, config.Source{}); err != nil {
		t.Fatal(err)
	}
	c.Vault, c.Dir = filepath.Join(dir, "vault"), filepath.Join(dir, "handout")
	c.User, c.PostgresUser = os.Getuid(), os.Getuid()
	return c
}

// files reads what was handed out, by folder and name.
func files(t *testing.T, c handout.Config) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	paths, err := filepath.Glob(filepath.Join(c.Dir, "*", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d files: %v", len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(c.Dir, path)
		found[name] = raw
	}
	return found
}

// TestTheHandout looks at one handout from several sides: each costs hashing passwords.
func TestTheHandout(t *testing.T) {
	c := configuration(t)
	if err := handout.Write(c); err != nil {
		t.Fatal(err)
	}
	first := files(t, c)
	t.Run("each folder holds its own secrets and nobody else's", func(t *testing.T) { apart(t, first) })
	t.Run("what is handed out is private", func(t *testing.T) {
		for name := range first {
			info, err := os.Stat(filepath.Join(c.Dir, name))
			if err != nil || info.Mode().Perm() != 0o400 {
				t.Errorf("%s has mode %v: %v", name, info.Mode(), err)
			}
		}
	})
	for _, service := range []string{"identity", "storage-provisioning", "gateway"} {
		t.Run(service+" can prove who it is", func(t *testing.T) { proves(t, c, service) })
	}
	for _, service := range []string{"identity", "storage-provisioning"} {
		t.Run(service+" can seal", func(t *testing.T) {
			if _, err := (seal.Keyset{File: filepath.Join(c.Dir, service, handout.SealKeyset)}).Sealer(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a second run hands out the same secrets with new certificates", func(t *testing.T) {
		if err := handout.Write(c); err != nil {
			t.Fatal(err)
		}
		second := files(t, c)
		if len(first) != len(second) {
			t.Errorf("%d files, then %d", len(first), len(second))
		}
		for name, content := range first {
			base := filepath.Base(name)
			// Dex is told a hash of each password, with new salt.
			renewed := base == handout.Certificate || base == handout.Key || base == handout.DexConfig
			if same := bytes.Equal(content, second[name]); same == renewed {
				t.Errorf("%s is the same: %v", name, same)
			}
		}
	})
}

// apart checks that the strongest secrets are where they belong and nowhere else.
func apart(t *testing.T, files map[string][]byte) {
	root, superuser := files["minio/"+handout.RootPassword], files["postgres/"+handout.Superuser]
	if len(root) < 20 || len(superuser) < 20 {
		t.Fatalf("MinIO's password is %d long, PostgreSQL's %d", len(root), len(superuser))
	}
	for _, secret := range []struct {
		what   string
		text   []byte
		folder []string
	}{
		{"MinIO's root password", root, []string{"minio", "storage-provisioning"}},
		{"PostgreSQL's superuser", superuser, []string{"postgres", "database"}},
		{"identity's owner", []byte("identity_owner"), []string{"identity-migrate"}},
		{"storage's owner", []byte("storage_owner"), []string{"storage-provisioning-migrate"}},
	} {
		var found []string
		for name, content := range files {
			if bytes.Contains(content, secret.text) {
				found = append(found, filepath.Dir(name))
			}
		}
		slices.Sort(found)
		slices.Sort(secret.folder)
		if !slices.Equal(found, secret.folder) {
			t.Errorf("%s is handed to %v, not to %v", secret.what, found, secret.folder)
		}
	}
}

// proves checks the certificate that a service was handed.
func proves(t *testing.T, c handout.Config, service string) {
	dir := filepath.Join(c.Dir, service)
	pair := pki.Files{Cert: filepath.Join(dir, handout.Certificate), Key: filepath.Join(dir, handout.Key), CA: filepath.Join(dir, handout.CA)}
	if _, err := pair.ServerTLS(); err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	uri, err := pki.ServiceURI(service)
	if err != nil {
		t.Fatal(err)
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].String() != uri.String() || certificate.VerifyHostname(service) != nil {
		t.Errorf("it names %v and %v", certificate.URIs, certificate.DNSNames)
	}
}
