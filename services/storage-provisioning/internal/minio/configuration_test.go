package minio_test

import (
	"context"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"github.com/minio/minio-go/v7/pkg/notification"
	"github.com/minio/minio-go/v7/pkg/replication"
	"github.com/minio/minio-go/v7/pkg/sse"
	"github.com/minio/minio-go/v7/pkg/tags"
)

const public = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::acme/*"]}]}`

// configuration tries everything that belongs to a bucket and not to its objects.
func configuration() []probe {
	type call = func(context.Context, *client.Client) error
	calls := []struct {
		name string
		do   call
	}{
		{"create a bucket", func(ctx context.Context, c *client.Client) error {
			return c.MakeBucket(ctx, "acme-new", client.MakeBucketOptions{})
		}},
		{"delete own bucket", func(ctx context.Context, c *client.Client) error { return c.RemoveBucket(ctx, "acme") }},
		{"delete own bucket by force", func(ctx context.Context, c *client.Client) error {
			return c.RemoveBucketWithOptions(ctx, "acme", client.RemoveBucketOptions{ForceDelete: true})
		}},
		{"set its policy", func(ctx context.Context, c *client.Client) error { return c.SetBucketPolicy(ctx, "acme", public) }},
		{"get its policy", func(ctx context.Context, c *client.Client) error {
			_, err := c.GetBucketPolicy(ctx, "acme")
			return err
		}},
		{"set its tags", func(ctx context.Context, c *client.Client) error {
			set, err := tags.NewTags(map[string]string{tagOfOurs: "mine"}, false)
			if err != nil {
				return err
			}
			return c.SetBucketTagging(ctx, "acme", set)
		}},
		{"get its tags", func(ctx context.Context, c *client.Client) error {
			_, err := c.GetBucketTagging(ctx, "acme")
			return err
		}},
		{"remove its tags", func(ctx context.Context, c *client.Client) error { return c.RemoveBucketTagging(ctx, "acme") }},
		{"set lifecycle rules", func(ctx context.Context, c *client.Client) error {
			config := lifecycle.NewConfiguration()
			config.Rules = []lifecycle.Rule{{ID: "a", Status: "Enabled", Expiration: lifecycle.Expiration{Days: 1}}}
			return c.SetBucketLifecycle(ctx, "acme", config)
		}},
		{"get lifecycle rules", func(ctx context.Context, c *client.Client) error {
			_, err := c.GetBucketLifecycle(ctx, "acme")
			return err
		}},
		{"remove lifecycle rules", func(ctx context.Context, c *client.Client) error {
			return c.SetBucketLifecycle(ctx, "acme", lifecycle.NewConfiguration())
		}},
		{"enable versioning", func(ctx context.Context, c *client.Client) error { return c.EnableVersioning(ctx, "acme") }},
		{"suspend versioning", func(ctx context.Context, c *client.Client) error { return c.SuspendVersioning(ctx, "acme") }},
		{"set encryption", func(ctx context.Context, c *client.Client) error {
			return c.SetBucketEncryption(ctx, "acme", sse.NewConfigurationSSES3())
		}},
		{"set notifications", func(ctx context.Context, c *client.Client) error {
			return c.SetBucketNotification(ctx, "acme", notification.Configuration{})
		}},
		{"listen to notifications", func(ctx context.Context, c *client.Client) error {
			for event := range c.ListenBucketNotification(ctx, "acme", "", "", []string{"s3:ObjectCreated:*"}) {
				return event.Err
			}
			return nil
		}},
		{"set replication", func(ctx context.Context, c *client.Client) error {
			return c.SetBucketReplication(ctx, "acme", replication.Config{Rules: []replication.Rule{{
				ID: "a", Status: replication.Enabled, Priority: 1,
				Destination: replication.Destination{Bucket: "arn:aws:s3:::acme-corp"},
			}}})
		}},
		{"set cross-origin rules", func(ctx context.Context, c *client.Client) error {
			return c.SetBucketCors(ctx, "acme", &cors.Config{CORSRules: []cors.Rule{{AllowedMethod: []string{"GET"}, AllowedOrigin: []string{"*"}}}})
		}},
		{"set object lock", func(ctx context.Context, c *client.Client) error {
			mode, days, unit := client.Governance, uint(1), client.Days
			return c.SetBucketObjectLockConfig(ctx, "acme", &mode, &days, &unit)
		}},
		{"set an object's retention", func(ctx context.Context, c *client.Client) error {
			mode, until := client.Governance, time.Now().Add(time.Hour)
			return c.PutObjectRetention(ctx, "acme", "k", client.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until})
		}},
		{"set an object's legal hold", func(ctx context.Context, c *client.Client) error {
			on := client.LegalHoldEnabled
			return c.PutObjectLegalHold(ctx, "acme", "k", client.PutObjectLegalHoldOptions{Status: &on})
		}},
	}
	var all []probe
	for _, one := range calls {
		all = append(all, probe{name: one.name, do: one.do})
	}
	return all
}

// tagOfOurs is the tag by which we know a bucket again.
const tagOfOurs = "primecloud-id"
