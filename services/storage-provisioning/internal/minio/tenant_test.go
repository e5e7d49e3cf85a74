package minio_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// update writes the table instead of comparing it: go test ./internal/minio -run Tenant -update.
var update = flag.Bool("update", false, "write docs/tenant-table.md instead of comparing it")

const tablePath = "../../docs/tenant-table.md"

// allowedByMinIO are the administration verbs that MinIO grants to any key, whatever its
// policies deny, with what they come to. A verb that joins them fails the test until
// somebody has thought about it.
var allowedByMinIO = map[string]string{
	"AccountInfo":          "shows the policy of the key's user",
	"InfoAccessKey":        "shows the policy of any key of the same user",
	"InfoServiceAccount":   "shows the policy of any key of the same user",
	"ListServiceAccounts":  "shows the ids of the user's keys, to the user itself only",
	"DeleteServiceAccount": "removes any key of the same user whose id is known; the reconciler makes ours again or reports them lost",
	"RevokeTokens":         "ends the user's own temporary credentials: uploads by URL that were signed before",
}

// grounds is two tenants on a MinIO of their own, with names that begin alike.
type grounds struct {
	s        *testkit.Storage
	door     string
	b        *minio.Backend
	one, two tenant
}

func newGrounds(t *testing.T) grounds {
	t.Helper()
	s := testkit.NewMinIO(t)
	g := grounds{s: s, door: testkit.Door(t, s.MinIO).Address(), b: backend(t, s)}
	g.one, g.two = newTenant(t, g.b, "acme"), newTenant(t, g.b, "acme-corp")
	for _, bucket := range []string{"acm", "acme2"} {
		must(t, root(t, s).MakeBucket(t.Context(), bucket, client.MakeBucketOptions{}))
	}
	for _, bucket := range []string{"acm", "acme", "acme2", "acme-corp"} {
		put(t, root(t, s), bucket, "k")
	}
	return g
}

func TestWhatATenantsKeyGets(t *testing.T) {
	g := newGrounds(t)
	table := &strings.Builder{}
	table.WriteString(tableHead)
	g.administration(t, table)
	g.storage(t, table)
	t.Log("\n" + table.String())
	if *update {
		must(t, os.MkdirAll(filepath.Dir(tablePath), 0o755))
		must(t, os.WriteFile(tablePath, []byte(table.String()), 0o644)) //nolint:gosec // documentation
		return
	}
	written, err := os.ReadFile(tablePath)
	must(t, err)
	if string(written) != table.String() {
		t.Errorf("%s says otherwise; look at the difference, classify what is new, and run this test with -update", tablePath)
	}
}

const tableHead = `# What a tenant's key gets

Written by ` + "`go test ./internal/minio -run TestWhatATenantsKeyGets -update`" + `, compared by the same test without ` + "`-update`" + `: every
verb of the administration client (found by reflection, so that a new one fails the test until somebody has thought about
it), and what S3 offers beyond objects. The key may read and write in the bucket ` + "`acme`" + ` of its account.

- **at MinIO**: what the server itself answers, without the door. ` + "`absent`" + `: this server (single drive) does not have the verb.
- **user**: the same, with the credentials of the account's own user, which nobody outside this service has.
- **door**: what the same request gets on the public address. No administration verb is reachable there.

`

// administration tries every verb of the administration client.
func (g grounds) administration(t *testing.T, table *strings.Builder) {
	table.WriteString("## Administration\n\n| verb | request | at MinIO | user | door | remark |\n|---|---|---|---|---|---|\n")
	for method := range reflect.TypeFor[*madmin.AdminClient]().Methods() {
		if localVerbs[method.Name] {
			fmt.Fprintf(table, "| %s | none | | | | asks nothing of the server |\n", method.Name)
			continue
		}
		key := g.verb(t, method).ask(t, g.s.Address(), g.one.key, g.one.keySecret)
		user := g.verb(t, method).ask(t, g.s.Address(), g.one.user, g.one.secret)
		door := g.verb(t, method).ask(t, g.door, g.one.key, g.one.keySecret)
		for _, said := range []string{key.said, user.said} {
			if _, known := allowedByMinIO[method.Name]; said == allowed && !known {
				t.Errorf("%s is allowed to a tenant", method.Name)
			}
			if said != allowed && said != "absent" && !strings.HasPrefix(said, "403 ") {
				t.Errorf("%s gets %q, which says nothing about permission: give it better arguments", method.Name, said)
			}
		}
		if door.said != "404 NoSuchBucket" {
			t.Errorf("%s gets %q through the door", method.Name, door.said)
		}
		fmt.Fprintf(table, "| %s | `%s` | %s | %s | %s | %s |\n", method.Name, key.request, key.said, user.said, door.said, allowedByMinIO[method.Name])
	}
	table.WriteString("\n")
}

// verb returns a verb with arguments. What it may remove is made anew first.
func (g grounds) verb(t *testing.T, method reflect.Method) verb {
	given := arguments(g.one)[method.Name]
	if method.Name == "DeleteServiceAccount" {
		inline, err := policy.Key([]policy.Grant{{Bucket: "acme", Permission: policy.Read}})
		must(t, err)
		sibling := name("S")
		must(t, g.b.PutKey(t.Context(), principal.KeySpec{User: g.one.user, ID: sibling, Secret: "sibling-secret", Policy: inline}))
		given = []any{sibling}
	}
	return verb{method, given}
}

// storage tries what S3 offers.
func (g grounds) storage(t *testing.T, table *strings.Builder) {
	table.WriteString("## S3\n\n| request | at MinIO | user | door |\n|---|---|---|---|\n")
	for _, p := range probes() {
		var said []string
		for _, who := range []struct{ host, id, secret string }{
			{g.s.Address(), g.one.key, g.one.keySecret},
			{g.s.Address(), g.one.user, g.one.secret},
			{g.door, g.one.key, g.one.keySecret},
		} {
			err := p.do(t.Context(), s3(t, who.host, g.s.Region, who.id, who.secret))
			said = append(said, code(err))
		}
		for i, got := range said {
			own := p.own || p.user && i == 1
			if own != (got == allowed) {
				t.Errorf("%s: %v; the tenant's own: %v", p.name, said, own)
			}
		}
		fmt.Fprintf(table, "| %s | %s | %s | %s |\n", p.name, said[0], said[1], said[2])
	}
}

// probe is one S3 request.
type probe struct {
	name string
	do   func(context.Context, *client.Client) error
	// own says that the tenant is to have it, user that its user has it too, but no key.
	own, user bool
}

func probes() []probe {
	all := []probe{
		{name: "list own bucket", own: true, do: list("acme")},
		{name: "get, put, copy and delete an object in it", own: true, do: objects},
		{name: "upload in parts", own: true, do: parts},
		{name: "list versions", own: true, do: func(ctx context.Context, c *client.Client) error {
			return listed(c.ListObjectsIter(ctx, "acme", client.ListObjectsOptions{WithVersions: true}))
		}},
		{name: "list incomplete uploads", own: true, do: func(ctx context.Context, c *client.Client) error {
			_, err := client.Core{Client: c}.ListMultipartUploads(ctx, "acme", "", "", "", "", 1)
			return err
		}},
		{name: "list buckets: sees its own only", own: true, do: ownBuckets},
	}
	for _, other := range []string{"acme-corp", "acme2", "acm"} {
		all = append(all, foreign(other)...)
	}
	return append(append(all, configuration()...), identity()...)
}

func list(bucket string) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error {
		return listed(c.ListObjectsIter(ctx, bucket, client.ListObjectsOptions{}))
	}
}

func listed(objects func(func(client.ObjectInfo) bool)) error {
	for o := range objects {
		if o.Err != nil {
			return o.Err
		}
	}
	return nil
}

func objects(ctx context.Context, c *client.Client) error {
	_, copied := c.CopyObject(ctx, client.CopyDestOptions{Bucket: "acme", Object: "copy"}, client.CopySrcOptions{Bucket: "acme", Object: "k"})
	_, read := c.StatObject(ctx, "acme", "k", client.StatObjectOptions{})
	return errors.Join(tryPut(ctx, c, "acme", "new"), copied, read,
		c.RemoveObject(ctx, "acme", "new", client.RemoveObjectOptions{}), c.RemoveObject(ctx, "acme", "copy", client.RemoveObjectOptions{}))
}

func parts(ctx context.Context, c *client.Client) error {
	core := client.Core{Client: c}
	id, err := core.NewMultipartUpload(ctx, "acme", "parts", client.PutObjectOptions{})
	if err != nil {
		return err
	}
	_, err = core.PutObjectPart(ctx, "acme", "parts", id, 1, strings.NewReader("content"), 7, client.PutObjectPartOptions{})
	return errors.Join(err, core.AbortMultipartUpload(ctx, "acme", "parts", id))
}

func ownBuckets(ctx context.Context, c *client.Client) error {
	found, err := c.ListBuckets(ctx)
	if err == nil && (len(found) != 1 || found[0].Name != "acme") {
		return fmt.Errorf("sees %d buckets", len(found))
	}
	return err
}

// foreign tries another tenant's bucket.
func foreign(bucket string) []probe {
	return []probe{
		{name: "list `" + bucket + "`", do: list(bucket)},
		{name: "get from `" + bucket + "`", do: func(ctx context.Context, c *client.Client) error {
			o, _, _, err := client.Core{Client: c}.GetObject(ctx, bucket, "k", client.GetObjectOptions{})
			if err == nil {
				_ = o.Close()
			}
			return err
		}},
		{name: "put into `" + bucket + "`", do: func(ctx context.Context, c *client.Client) error { return tryPut(ctx, c, bucket, "new") }},
		{name: "delete from `" + bucket + "`", do: func(ctx context.Context, c *client.Client) error {
			return c.RemoveObject(ctx, bucket, "k", client.RemoveObjectOptions{})
		}},
		{name: "copy from `" + bucket + "` into its own", do: func(ctx context.Context, c *client.Client) error {
			_, err := c.CopyObject(ctx, client.CopyDestOptions{Bucket: "acme", Object: "stolen"}, client.CopySrcOptions{Bucket: bucket, Object: "k"})
			return err
		}},
		{name: "delete `" + bucket + "`", do: func(ctx context.Context, c *client.Client) error { return c.RemoveBucket(ctx, bucket) }},
	}
}

// identity tries to become somebody else.
func identity() []probe {
	return []probe{{name: "AssumeRole", user: true, do: func(ctx context.Context, c *client.Client) error {
		keys, err := c.GetCreds()
		if err != nil {
			return err
		}
		provider := &credentials.STSAssumeRole{STSEndpoint: c.EndpointURL().String(), Options: credentials.STSAssumeRoleOptions{
			AccessKey: keys.AccessKeyID, SecretKey: keys.SecretAccessKey, Location: "local", DurationSeconds: 900,
		}}
		_, err = provider.RetrieveWithCredContext(&credentials.CredContext{Context: ctx})
		if said, ok := errors.AsType[credentials.ErrorResponse](err); ok {
			return client.ErrorResponse{Code: said.STSError.Code}
		}
		return err
	}}}
}

func TestEveryArgumentBelongsToAVerb(t *testing.T) {
	var known []string
	for method := range reflect.TypeFor[*madmin.AdminClient]().Methods() {
		known = append(known, method.Name)
	}
	for _, names := range []map[string]bool{keysOf(arguments(tenant{})), localVerbs, keysOf(allowedByMinIO), keysOf(endless)} {
		for name := range names {
			if !slices.Contains(known, name) {
				t.Errorf("the administration client has no verb %s any more", name)
			}
		}
	}
}

func keysOf[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}
