package rpc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func header(pairs ...string) func(context.Context) context.Context {
	return func(ctx context.Context) context.Context { return metadata.AppendToOutgoingContext(ctx, pairs...) }
}

func TestAuthentication(t *testing.T) {
	w := start(t)
	cases := map[string]struct {
		header func(context.Context) context.Context
		kind   errs.Kind
		reason string
	}{
		"no login is refused":                    {header(), errs.Unauthenticated, "LOGIN_REQUIRED"},
		"a forged token is refused":              {header("authorization", "Bearer forged"), errs.Unauthenticated, "TOKEN_INVALID"},
		"an expired token is refused":            {header("authorization", "Bearer expired"), errs.Unauthenticated, "TOKEN_EXPIRED"},
		"keys that are not there are no refusal": {header("authorization", "Bearer early"), errs.Unavailable, "VERIFIER_NOT_READY"},
		"a defect is none either":                {header("authorization", "Bearer odd"), errs.Internal, "INTERNAL"},
		"another scheme is refused":              {header("authorization", "Basic b3duZXI6"), errs.Unauthenticated, "TOKEN_INVALID"},
		"a bare token is refused":                {header("authorization", "owner"), errs.Unauthenticated, "TOKEN_INVALID"},
		"an empty bearer is refused":             {header("authorization", "Bearer "), errs.Unauthenticated, "TOKEN_INVALID"},
		"an empty header is refused":             {header("authorization", ""), errs.Unauthenticated, "TOKEN_INVALID"},
		"two tokens are refused":                 {header("authorization", "Bearer owner", "authorization", "Bearer forged"), errs.Unauthenticated, "TOKEN_INVALID"},
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) { wants(t, getBucket(c.header(as(t, "")), conn), c.kind, c.reason) })
		}
		t.Run("what is no refusal is not heard of as one", func(t *testing.T) {
			for _, heard := range w.heard() {
				if reason := errs.ReasonOf(heard.err); reason != "LOGIN_REQUIRED" && !strings.HasPrefix(reason, "TOKEN_") {
					t.Errorf("heard of %v", heard.err)
				}
			}
		})
		t.Run("who was revoked is known, and refused", func(t *testing.T) {
			wants(t, getBucket(as(t, "revoked"), conn), errs.Unauthenticated, "TOKEN_REVOKED")
			if who := w.lastRefusal(t).who; who.ID != "usr_1" || who.AccountID != mine {
				t.Fatalf("heard of %+v", who)
			}
		})
		t.Run("the scheme may be written in any case", func(t *testing.T) {
			if err := getBucket(header("Authorization", "bEARER owner")(as(t, "")), conn); err != nil {
				t.Fatal(err)
			}
		})
	})
	for _, line := range w.lines.all(t) {
		for _, secret := range []string{"Bearer", "forged", "b3duZXI6"} {
			for key, value := range line {
				if text, _ := value.(string); strings.Contains(text, secret) && !strings.Contains(text, "must be `Bearer`") && !strings.Contains(text, "as `authorization: Bearer …`") {
					t.Errorf("%s shows the header: %s", key, text)
				}
			}
		}
	}
}

func TestAuthorisation(t *testing.T) {
	w := start(t)
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		client := storagev1.NewBucketServiceClient(conn)
		create := func(ctx context.Context, account string) error {
			_, err := client.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: account, Name: "bucket"})
			return err
		}
		t.Run("an owner may", func(t *testing.T) {
			if err := create(as(t, "owner"), mine); err != nil {
				t.Fatal(err)
			}
		})
		t.Run("another account looks absent", func(t *testing.T) {
			wants(t, create(as(t, "owner"), "acc_2"), errs.NotFound, "NOT_FOUND")
		})
		t.Run("no account looks absent, before its shape is looked at", func(t *testing.T) {
			wants(t, create(as(t, "owner"), ""), errs.NotFound, "NOT_FOUND")
		})
		t.Run("a role is refused", func(t *testing.T) {
			wants(t, create(as(t, "viewer"), mine), errs.PermissionDenied, "ROLE_NOT_ALLOWED")
			refused := w.lastRefusal(t)
			request, _ := refused.request.(*storagev1.CreateBucketRequest)
			if refused.method != storagev1.BucketService_CreateBucket_FullMethodName || refused.who.ID != "usr_2" || request.GetName() != "bucket" ||
				errs.ReasonOf(refused.err) != "ROLE_NOT_ALLOWED" {
				t.Fatalf("heard of %+v", refused)
			}
		})
		t.Run("a scope is missing", func(t *testing.T) {
			e := wants(t, create(as(t, "reader"), mine), errs.PermissionDenied, "SCOPE_MISSING")
			if e.Metadata()["scope"] != "storage.write" {
				t.Fatalf("the scope is not named: %v", e.Metadata())
			}
		})
		t.Run("a suspended account", func(t *testing.T) {
			wants(t, create(as(t, "frozen"), mine), errs.FailedPrecondition, "ACCOUNT_SUSPENDED")
			if err := getBucket(as(t, "frozen"), conn); err != nil {
				t.Fatalf("may not even read: %v", err)
			}
		})
		t.Run("a method that is not written is UNIMPLEMENTED", func(t *testing.T) {
			_, err := client.ListBuckets(as(t, "owner"), &storagev1.ListBucketsRequest{AccountId: mine})
			wants(t, err, errs.Unimplemented, "UNIMPLEMENTED")
		})
	})
	t.Run("a method that does not exist is UNIMPLEMENTED", func(t *testing.T) {
		conn := w.dial(t, "")
		for _, method := range []string{"/primecloud.storage.v1.BucketService/Nonesuch", "/a.B/C", "/x"} {
			err := conn.Invoke(as(t, "owner"), method, &storagev1.GetBucketRequest{}, &storagev1.GetBucketResponse{})
			wants(t, err, errs.Unimplemented, "UNIMPLEMENTED")
		}
	})
}

func TestPublicMethod_ignores_the_authorization_header(t *testing.T) {
	w := start(t)
	w.tokens.keySet = func(ctx context.Context) error {
		if who := principal.FromContext(ctx); who.Kind != principal.Anonymous {
			return errors.New("somebody is known")
		}
		return nil
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		for _, bearer := range []string{"", "forged", "expired", "early", "owner"} {
			if _, err := identityv1.NewTokenServiceClient(conn).GetKeySet(as(t, bearer), &identityv1.GetKeySetRequest{}); err != nil {
				t.Errorf("with %q: %v", bearer, err)
			}
		}
	})
}

func TestServiceMethod_goes_by_the_certificate_alone(t *testing.T) {
	w := start(t)
	snapshot := func(ctx context.Context, conn grpc.ClientConnInterface) error {
		_, err := identityv1.NewTokenServiceClient(conn).GetRevocationSnapshot(ctx, &identityv1.GetRevocationSnapshotRequest{})
		return err
	}
	deleteSession := func(ctx context.Context, conn grpc.ClientConnInterface) error {
		_, err := identityv1.NewSessionServiceClient(conn).DeleteSession(ctx, &identityv1.DeleteSessionRequest{SessionSecret: strings.Repeat("x", 43)})
		return err
	}
	forge := header("x-primecloud-peer", "gateway", "peer", "gateway", "x-forwarded-client-cert", "URI=spiffe://primecloud.local/gateway",
		":authority", "gateway", "x-primecloud-client-address", "10.0.0.1")
	t.Run("a service of the suite calls", func(t *testing.T) {
		both(t, w, "billing", func(t *testing.T, conn grpc.ClientConnInterface) {
			if err := snapshot(as(t, "forged"), conn); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("nobody calls without a certificate, whatever he sends", func(t *testing.T) {
		both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
			wants(t, snapshot(forge(as(t, "owner")), conn), errs.PermissionDenied, "CALLER_NOT_ALLOWED")
		})
	})
	t.Run("a service that is not listed is refused, whatever it sends", func(t *testing.T) {
		both(t, w, "billing", func(t *testing.T, conn grpc.ClientConnInterface) {
			wants(t, deleteSession(forge(as(t, "owner")), conn), errs.PermissionDenied, "CALLER_NOT_ALLOWED")
		})
	})
	t.Run("the listed one gets through", func(t *testing.T) {
		both(t, w, "gateway", func(t *testing.T, conn grpc.ClientConnInterface) {
			wants(t, deleteSession(as(t, ""), conn), errs.Unimplemented, "UNIMPLEMENTED")
		})
	})
	t.Run("a certificate alone is no login", func(t *testing.T) {
		both(t, w, "gateway", func(t *testing.T, conn grpc.ClientConnInterface) {
			wants(t, getBucket(as(t, ""), conn), errs.Unauthenticated, "LOGIN_REQUIRED")
		})
	})
}

func TestClientAddress_is_believed_of_the_gateway_alone(t *testing.T) {
	w := start(t)
	var who principal.Principal
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		who = principal.FromContext(ctx)
		return &storagev1.GetBucketResponse{}, nil
	}
	call := func(t *testing.T, conn grpc.ClientConnInterface, address, agent string) {
		t.Helper()
		if err := getBucket(rpc.WithClient(as(t, "owner"), address, agent), conn); err != nil {
			t.Fatal(err)
		}
	}
	both(t, w, "gateway", func(t *testing.T, conn grpc.ClientConnInterface) {
		call(t, conn, "203.0.113.7", "curl/8\n\x1b[31mé")
		if who.Address != "203.0.113.7" || who.UserAgent != "curl/8??[31m?" || who.Peer != "gateway" || who.ID != "usr_1" {
			t.Errorf("got %+v", who)
		}
		call(t, conn, "::ffff:203.0.113.7", strings.Repeat("x", 300))
		if who.Address != "203.0.113.7" || len(who.UserAgent) != 256 {
			t.Errorf("got %+v", who)
		}
		for _, nonsense := range []string{"", "localhost", "203.0.113.7:80", "'; drop table"} {
			if call(t, conn, nonsense, ""); who.Address != "" {
				t.Errorf("%q became the address %q", nonsense, who.Address)
			}
		}
	})
	for _, peer := range []string{"", "billing"} {
		t.Run("not of "+peer, func(t *testing.T) {
			both(t, w, peer, func(t *testing.T, conn grpc.ClientConnInterface) {
				call(t, conn, "203.0.113.7", "forged")
				if who.Address == "203.0.113.7" || who.UserAgent == "forged" || who.Peer != peer {
					t.Errorf("got %+v", who)
				}
			})
		})
	}
}
