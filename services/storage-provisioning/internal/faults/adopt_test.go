package faults_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// asFound is how a bucket that is adopted was set up, and stays.
var asFound = bucket.Spec{Versioning: bucket.VersioningEnabled}

// adoptsKey says whether the call adopts an access key, of either form.
func (c call) adoptsKey() bool { return c.Operation == adoptKey || c.Operation == adoptUser }

// adopts says whether the call adopts something, which is for the platform's operators.
func (c call) adopts() bool { return c.adoptsKey() || c.Operation == adoptBucket }

func (c call) adoptBucket(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := storagev1.NewPlatformDriftServiceClient(conn).AdoptBucket(ctx, &storagev1.AdoptBucketRequest{
		AccountId: c.Account, Bucket: c.Bucket, Reason: "moved in",
	})
	return err
}

func (c call) adoptKey(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := storagev1.NewPlatformDriftServiceClient(conn).AdoptAccessKey(ctx, &storagev1.AdoptAccessKeyRequest{
		AccountId: c.Account, Which: &storagev1.AdoptAccessKeyRequest_AccessKeyId{AccessKeyId: c.AccessKey},
		DisplayName: "moved in", Reason: "moved in",
		Grants: []*storagev1.Grant{{Bucket: c.Bucket, Permission: storagev1.Permission_PERMISSION_READ_WRITE}},
	})
	return err
}

// operator returns the token of an operator of the platform.
func (w *world) operator() string {
	w.t.Helper()
	now := time.Now()
	bearer, err := w.signer.Sign(token.Claims{
		Issuer: "primecloud", Audience: "primecloud", Subject: "usr_operator", Kind: principal.Operator, Role: "platform_admin",
		Session: "ses_operator", ID: "tok_" + random(), IssuedAt: now, Expires: now.Add(token.MaxLifetime),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return bearer
}

// find puts on the backend what the cell's call adopts, by hands that know nothing of us.
func (w *world) find(c *cell) {
	w.t.Helper()
	c.bearer = w.operator()
	ctx := w.t.Context()
	var err error
	switch c.call.Operation {
	case adoptBucket:
		if err = w.s3.MakeBucket(ctx, c.call.Bucket, client.MakeBucketOptions{}); err == nil {
			err = w.s3.EnableVersioning(ctx, c.call.Bucket)
		}
	case adoptKey:
		c.had = credentials{id: strings.ToUpper("MC" + random()), secret: "the-owners-" + random()}
		var user string
		if user, err = w.accountUser(ctx, c.call.Account); err == nil {
			_, err = w.admin.AddServiceAccount(ctx, madmin.AddServiceAccountReq{TargetUser: user, AccessKey: c.had.id, SecretKey: c.had.secret})
		}
	case adoptUser:
		c.had = credentials{id: "mc-" + random(), secret: "the-owners-" + random()}
		if err = w.admin.AddUser(ctx, c.had.id, c.had.secret); err == nil {
			err = w.admin.SetPolicy(ctx, "readwrite", c.had.id, false) //nolint:staticcheck // as `mc admin policy` of old did
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	c.call.AccessKey = c.had.id
}

// accountUser is the account's user on the backend.
func (w *world) accountUser(ctx context.Context, account string) (string, error) {
	ids, err := w.list(ctx, `select id from storage.principal where account_id = $1`, account)
	if err != nil || len(ids) != 1 {
		return "", fmt.Errorf("the account has the identities %q: %w", ids, err)
	}
	return w.userOf(ctx, "primecloud-"+ids[0])
}

// held reports whether the adopted key, which works in any case, is held to its grants, or is
// as it was found.
func (w *world) held(ctx context.Context, c *cell, adopted bool) error {
	if err := w.works(ctx, c, c.had, true); err != nil {
		return err
	}
	var is bool
	if c.call.Operation == adoptUser {
		info, err := w.admin.GetUserInfo(ctx, c.had.id)
		if err != nil {
			return err
		}
		if is = strings.HasPrefix(info.PolicyName, "primecloud-key_"); !is && info.PolicyName != "readwrite" {
			return fmt.Errorf("its user has the policies %q", info.PolicyName)
		}
	} else {
		info, err := w.admin.InfoServiceAccount(ctx, c.had.id)
		if err != nil {
			return err
		}
		is = !info.ImpliedPolicy
	}
	if is != adopted {
		return fmt.Errorf("on the backend it is held to its grants: %t, in the record: %t", is, adopted)
	}
	return nil
}
