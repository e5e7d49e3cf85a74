package demo

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

func (d *Demo) logIn(ctx context.Context) error {
	if err := d.web.Login(ctx, d.target.Login, d.target.Password); err != nil {
		return err
	}
	var me struct {
		User struct{ ID, Email, Issuer string } `json:"user"`
	}
	if _, err := d.web.Call(ctx, http.MethodGet, "/v1/me", nil, &me); err != nil {
		return err
	}
	d.show("%s is %s, vouched for by %s", me.User.Email, me.User.ID, me.User.Issuer)
	return nil
}

func (d *Demo) newAccount(ctx context.Context, name string) (string, error) {
	var account struct{ ID, State string }
	_, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts", map[string]string{"displayName": name}, &account,
		webclient.Key("demo-account-"+strings.ReplaceAll(name, " ", "-")+"-"+d.suffix))
	return account.ID, err
}

func (d *Demo) createAccount(ctx context.Context) error {
	id, err := d.newAccount(ctx, "Demo Ltd")
	d.account = id
	d.show("account %s", id)
	return err
}

// bucketAnswer is the part of a bucket that the demo shows. int64 values are strings in JSON.
type bucketAnswer struct {
	ID, Name, State, Etag, QuotaBytes string
	Generation, ObservedGeneration    string
}

func (d *Demo) newBucket(ctx context.Context, account, name string) (bucketAnswer, http.Header, error) {
	var bucket bucketAnswer
	header, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts/"+account+"/buckets", map[string]any{
		"name":       name,
		"quotaBytes": "1073741824",
		"lifecycleRules": []map[string]any{
			{"id": "expire-logs", "prefix": "logs/", "expireAfterDays": 30},
		},
	}, &bucket, webclient.Key("demo-bucket-"+name))
	return bucket, header, err
}

func (d *Demo) createBucket(ctx context.Context) error {
	d.bucket = "demo-" + d.suffix
	began := time.Now()
	bucket, header, err := d.newBucket(ctx, d.account, d.bucket)
	if err != nil {
		return err
	}
	d.show("bucket %s (%s) is %s after %s, generation %s observed as %s", bucket.Name, bucket.ID, bucket.State,
		time.Since(began).Round(time.Millisecond), bucket.Generation, bucket.ObservedGeneration)
	d.show("operation %s", header.Get("Primecloud-Operation-Id"))
	return nil
}

func (d *Demo) createKey(ctx context.Context) error {
	var answer struct {
		AccessKey       struct{ ID, AccessKeyID, State string }
		SecretAccessKey string
	}
	_, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+"/accessKeys", map[string]any{
		"displayName": "demo key",
		"grants":      []map[string]string{{"bucket": d.bucket, "permission": "PERMISSION_READ_WRITE"}},
	}, &answer, webclient.Key("demo-key-"+d.suffix))
	if err != nil {
		return err
	}
	d.key = credentials{id: answer.AccessKey.ID, accessKeyID: answer.AccessKey.AccessKeyID, secret: answer.SecretAccessKey}
	d.show("access key %s is %s, its secret has %d characters and was shown once", d.key.id, answer.AccessKey.State, len(d.key.secret))
	return nil
}

// auditEntry is the part of an audit entry that the demo shows.
type auditEntry struct {
	Time, Action, Outcome, Reason string
	Actor                         struct{ Kind, ID string }
	Target                        struct{ Kind, ID, DisplayName string }
}

func (d *Demo) audit(ctx context.Context) error {
	wanted := map[string]bool{"account.create": true, "bucket.create": true, "access_key.create": true}
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var answer struct{ AuditEntries []auditEntry }
		if _, err := d.web.Call(ctx, http.MethodGet, "/v1/accounts/"+d.account+"/auditEntries?pageSize=100", nil, &answer); err != nil {
			return err
		}
		missing := missingActions(wanted, answer.AuditEntries)
		if len(missing) == 0 {
			for i := len(answer.AuditEntries) - 1; i >= 0; i-- {
				e := answer.AuditEntries[i]
				d.show("%s  %-18s %-18s %s %s %s", e.Time[11:23], e.Action, strings.TrimPrefix(e.Outcome, "OUTCOME_"), e.Actor.Kind, e.Target.Kind, e.Target.DisplayName)
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("the trail lacks %v after 20 s", missing)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func missingActions(wanted map[string]bool, entries []auditEntry) []string {
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Outcome == "OUTCOME_SUCCEEDED" {
			seen[e.Action] = true
		}
	}
	var missing []string
	for action := range wanted {
		if !seen[action] {
			missing = append(missing, action)
		}
	}
	sort.Strings(missing)
	return missing
}

func (d *Demo) deleteBucket(ctx context.Context, account, bucket string) error {
	_, err := d.web.Call(ctx, http.MethodDelete, "/v1/accounts/"+account+"/buckets/"+bucket, nil, nil, webclient.Key("demo-delete-"+bucket))
	return err
}
