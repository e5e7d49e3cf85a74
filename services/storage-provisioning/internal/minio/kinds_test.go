package minio_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

const temporary = "temporary credentials"

// kinds are the credentials that tenants hold besides the key with few exact grants, of which
// TestWhatATenantsKeyGets makes a table.
func (g grounds) kinds(t *testing.T) map[string]*credentials.Credentials {
	t.Helper()
	wide := g.holder(t, policy.Scope{Grants: []policy.Grant{{Bucket: "acme", Permission: policy.ReadWrite}}}, "acme")
	narrow := g.bounded(t, policy.Scope{Grants: []policy.Grant{{Bucket: "acme", Permission: policy.ReadWrite, Prefix: "team/"}}})
	document, err := policy.Session(policy.Scope{Grants: []policy.Grant{{Bucket: "acme", Permission: policy.ReadWrite}}})
	must(t, err)
	passing, err := g.b.Issue(t.Context(), session.Wish{User: g.one.user, Secret: g.one.secret, Policy: document, Lifetime: time.Hour})
	must(t, err)
	return map[string]*credentials.Credentials{
		"a key with a user of its own": credentials.NewStaticV4(wide.id, wide.secret, ""),
		"a key of a prefix":            credentials.NewStaticV4(narrow.id, narrow.secret, ""),
		temporary:                      credentials.NewStaticV4(passing.ID, passing.Secret, passing.Token),
	}
}

func TestNoKindOfCredentials_administers_anything(t *testing.T) {
	g := newGrounds(t)
	for kind, creds := range g.kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for method := range reflect.TypeFor[*madmin.AdminClient]().Methods() {
				if localVerbs[method.Name] || method.Name == "RevokeTokens" || method.Name == "DeleteServiceAccount" {
					// The last two end what they are called with, which a test by itself is for.
					continue
				}
				said := g.verb(t, method).askAs(t, g.s.Address(), creds).said
				if _, known := allowedByMinIO[method.Name]; said == allowed && !known {
					t.Errorf("%s is allowed", method.Name)
				}
				if said != allowed && said != "absent" && !strings.HasPrefix(said, "403 ") {
					t.Errorf("%s gets %q, which says nothing about permission", method.Name, said)
				}
				if kind != temporary {
					continue // the door goes by the path, and a token is all that makes a difference
				}
				if door := g.verb(t, method).askAs(t, g.door, creds).said; door != "404 NoSuchBucket" {
					t.Errorf("%s gets %q through the door", method.Name, door)
				}
			}
		})
		t.Run(kind+", and of buckets neither", func(t *testing.T) {
			for where, host := range map[string]string{"at MinIO": g.s.Address(), "through the door": g.door} {
				c, err := client.New(host, &client.Options{Creds: creds, Region: g.s.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1})
				must(t, err)
				for what, err := range map[string]error{
					"make":       c.MakeBucket(t.Context(), name("made-"), client.MakeBucketOptions{}),
					"remove":     c.RemoveBucket(t.Context(), "acme"),
					"policy":     c.SetBucketPolicy(t.Context(), "acme", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::acme/*"]}]}`),
					"versioning": c.EnableVersioning(t.Context(), "acme"),
					"tags":       c.RemoveBucketTagging(t.Context(), "acme"),
					"another's":  tryPut(t.Context(), c, "acme-corp", "k"),
				} {
					if code(err) != "AccessDenied" {
						t.Errorf("%s %s: %v", what, where, err)
					}
				}
			}
		})
	}
	t.Run("and nobody is given more by a key than the key has", func(t *testing.T) {
		for kind, creds := range g.kinds(t) {
			value, err := creds.GetWithContext(nil)
			must(t, err)
			provider := &credentials.STSAssumeRole{STSEndpoint: g.s.Endpoint(), Options: credentials.STSAssumeRoleOptions{
				AccessKey: value.AccessKeyID, SecretKey: value.SecretAccessKey, SessionToken: value.SessionToken, Location: g.s.Region, DurationSeconds: 900,
			}}
			if got, err := provider.RetrieveWithCredContext(&credentials.CredContext{}); err == nil {
				t.Errorf("%s gets temporary credentials: %s", kind, got.AccessKeyID[:2])
			}
		}
	})
}
