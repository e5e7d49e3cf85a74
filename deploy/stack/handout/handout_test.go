package handout_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func TestASecondRunHandsOutTheSameSecretsWithNewCertificates(t *testing.T) {
	c := configuration(t)
	if err := handout.Write(c); err != nil {
		t.Fatal(err)
	}
	first := files(t, c)
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
}

func TestEachFolderHoldsItsOwnSecretsAndNobodyElses(t *testing.T) {
	c := configuration(t)
	folders, err := handout.Folders(c)
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) handout.Folder {
		i := slices.IndexFunc(folders, func(f handout.Folder) bool { return f.Name == name })
		if i < 0 {
			t.Fatalf("nothing is handed out to %s", name)
		}
		return folders[i]
	}
	owner := string(find("identity-migrate").Files[handout.OwnerURL])
	root := string(find("minio").Files[handout.RootPassword])
	if !strings.Contains(owner, "identity_owner") || len(root) < 20 {
		t.Fatalf("the owner's address is %d long, the root password %d", len(owner), len(root))
	}
	for _, f := range folders {
		for name, content := range f.Files {
			if f.Name != "identity-migrate" && bytes.Contains(content, []byte("identity_owner")) {
				t.Errorf("%s is told the owner's address in %s", f.Name, name)
			}
			if f.Name != "minio" && f.Name != "storage-provisioning" && bytes.Contains(content, []byte(root)) {
				t.Errorf("%s is told MinIO's root password in %s", f.Name, name)
			}
			if f.Name != "postgres" && f.Name != "database" && name == handout.Superuser {
				t.Errorf("%s is told the superuser's password", f.Name)
			}
		}
	}
}

func TestWhatIsHandedOutIsPrivateAndOfUse(t *testing.T) {
	c := configuration(t)
	if err := handout.Write(c); err != nil {
		t.Fatal(err)
	}
	for name := range files(t, c) {
		info, err := os.Stat(filepath.Join(c.Dir, name))
		if err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s has mode %v: %v", name, info.Mode(), err)
		}
	}
	for _, service := range []string{"identity", "storage-provisioning", "gateway"} {
		t.Run(service+" can prove who it is", func(t *testing.T) {
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
		})
	}
	for _, service := range []string{"identity", "storage-provisioning"} {
		t.Run(service+" can seal", func(t *testing.T) {
			if _, err := (seal.Keyset{File: filepath.Join(c.Dir, service, handout.SealKeyset)}).Sealer(); err != nil {
				t.Error(err)
			}
		})
	}
}
