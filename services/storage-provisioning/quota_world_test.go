package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// measured has a world measure every second.
func measured(s config.Source) { s["PRIMECLOUD_STORAGE_QUOTA_MEASURE"] = "1s" }

func (w *world) quotas() storagev1.QuotaServiceClient { return storagev1.NewQuotaServiceClient(w.conn) }

func (w *world) platform() storagev1.PlatformQuotaServiceClient {
	return storagev1.NewPlatformQuotaServiceClient(w.conn)
}

// operator returns a context in which an operator of the platform calls.
func (w *world) operator() context.Context {
	return w.asClaims(token.Claims{Subject: "usr_operator", Kind: principal.Operator, Role: "platform_admin", Session: "ses_operator"})
}

// limit gives the account limits of its own.
func (w *world) limit(acc string, limits *storagev1.QuotaLimits) *storagev1.AccountQuota {
	w.t.Helper()
	response, err := w.platform().SetPlatformQuota(w.operator(), &storagev1.SetPlatformQuotaRequest{
		AccountId: acc, Limits: limits, Reason: "for a test",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return response.GetQuota()
}

func (w *world) quota(acc string) *storagev1.AccountQuota {
	w.t.Helper()
	response, err := w.quotas().GetAccountQuota(w.as(acc), &storagev1.GetAccountQuotaRequest{AccountId: acc})
	if err != nil {
		w.t.Fatal(err)
	}
	return response.GetQuota()
}

// settles waits until the account's quota is as wanted.
func (w *world) settles(acc, what string, wanted func(*storagev1.AccountQuota) bool) {
	w.t.Helper()
	testkit.Eventually(w.t, 30*time.Second, func() error {
		if q := w.quota(acc); !wanted(q) {
			return fmt.Errorf("%s: not yet, with %v", what, q)
		}
		return nil
	})
}

func stopped(q *storagev1.AccountQuota) bool { return q.GetWritesStopped() }

func writing(q *storagev1.AccountQuota) bool { return !q.GetWritesStopped() }

// holds says that a confirmed figure is so many bytes.
func holds(n int64) func(*storagev1.AccountQuota) bool {
	return func(q *storagev1.AccountQuota) bool {
		return q.GetUsage().GetConfirmed() && q.GetUsage().GetStorageBytes() == n
	}
}

// fillQuota puts an object of that size with a client.
func fillQuota(t *testing.T, c *client.Client, bucket, key string, size int) error {
	t.Helper()
	_, err := c.PutObject(testkit.Context(t), bucket, key, bytes.NewReader(make([]byte, size)), int64(size),
		client.PutObjectOptions{DisableMultipart: true})
	return err
}

// code is the code of an S3 refusal.
func code(err error) string { return client.ToErrorResponse(err).Code }

// quotaNews returns what was published of the account's quota, such as "exceeded STORAGE".
func (w *world) quotaNews(acc string) []string {
	w.t.Helper()
	events, err := w.published()
	if err != nil {
		w.t.Fatal(err)
	}
	var news []string
	for _, e := range events {
		verb, ours := strings.CutPrefix(e.Type, "primecloud.storage.quota.")
		if !ours || e.AccountID != acc {
			continue
		}
		var payload storagev1.QuotaChanged
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			w.t.Fatal(err)
		}
		if payload.GetQuota().GetAccountId() != acc || e.Aggregate.ID != acc {
			w.t.Errorf("%s is about %s and %s", e.Type, e.Aggregate.ID, payload.GetQuota().GetAccountId())
		}
		kind := strings.TrimPrefix(payload.GetKind().String(), "KIND_")
		news = append(news, strings.TrimSpace(strings.TrimSuffix(verb, ".v1")+" "+strings.TrimPrefix(kind, "UNSPECIFIED")))
	}
	return news
}

// quotaTold waits until exactly so much was published of the account's quota.
func (w *world) quotaTold(acc string, wanted ...string) {
	w.t.Helper()
	testkit.Eventually(w.t, patience, func() error {
		if news := w.quotaNews(acc); strings.Join(news, ", ") != strings.Join(wanted, ", ") {
			return fmt.Errorf("told %q, want %q", news, wanted)
		}
		return nil
	})
}

// passes waits until usage was measured so many times more.
func (w *world) passes(n int) {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	measured := func() (count int) {
		err := conn.QueryRow(testkit.Context(w.t), `select count(*) from storage.schedule_run where job = 'measure_usage' and finished_at is not null`).Scan(&count)
		if err != nil {
			w.t.Fatal(err)
		}
		return count
	}
	before := measured()
	testkit.Eventually(w.t, 30*time.Second, func() error {
		if now := measured(); now < before+n {
			return fmt.Errorf("measured %d times of %d", now-before, n)
		}
		return nil
	})
}
