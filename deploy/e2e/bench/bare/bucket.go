package bare

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// setAccount goes with the statement in one round trip and makes one implicit transaction
// with it: row-level security then shows the account's rows alone.
const setAccount = `select set_config('app.account_id', $1, true), set_config('app.scope', 'account', true)`

// GetBucketSQL and ListBucketsSQL are the statements of storage-provisioning, word for word;
// a test holds them against it.
const (
	columns = `bucket.id, bucket.account_id, bucket.backend, bucket.name, bucket.customer_reference, bucket.versioning, bucket.quota_bytes, bucket.lifecycle, bucket.desired, bucket.state, bucket.version, bucket.marked, bucket.seen_absent_at, bucket.seen_absent_generation, bucket.unsure, bucket.sighted_at, bucket.created_at, bucket.updated_at, bucket.labels, bucket.settings, bucket.adopting, coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
`
	GetBucketSQL = `-- name: GetBucket :one
select ` + columns + `where bucket.account_id = $1 and bucket.name = $2 and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING')
`
	ListBucketsSQL = `-- name: ListBuckets :many
select ` + columns + `where bucket.account_id = $1 and bucket.name > $2
  and ($3::boolean or exists (
    select from bucket_grant where bucket_grant.bucket_id = bucket.id and bucket_grant.user_id = $4))
  and ($5 = '' or bucket.backend = $5)
  and ($6 = '' or bucket.customer_reference = $6)
  and bucket.labels @> $7
  and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING')
order by bucket.name
limit $8
`
)

// bucket is a bucket in JSON.
type bucket struct {
	ID                 string            `json:"id"`
	AccountID          string            `json:"accountId"`
	Name               string            `json:"name"`
	Backend            string            `json:"backend"`
	CustomerReference  string            `json:"customerReference"`
	Versioning         string            `json:"versioning"`
	QuotaBytes         int64             `json:"quotaBytes,string"`
	LifecycleRules     []rule            `json:"lifecycleRules"`
	Labels             map[string]string `json:"labels"`
	State              string            `json:"state"`
	Generation         int64             `json:"generation,string"`
	ObservedGeneration int64             `json:"observedGeneration,string"`
	Conditions         []condition       `json:"conditions"`
	ETag               string            `json:"etag"`
	CreateTime         time.Time         `json:"createTime"`
	UpdateTime         time.Time         `json:"updateTime"`
	Tags               map[string]string `json:"tags"`
	ObjectLock         *lock             `json:"objectLock"`
	DefaultEncryption  string            `json:"defaultEncryption"`
	PublicAccess       public            `json:"publicAccess"`
	CORSRules          []struct{}        `json:"corsRules"`
}

type lock struct {
	DefaultRetention *struct{} `json:"defaultRetention"`
}

type public struct {
	Read    bool   `json:"read"`
	Prefix  string `json:"prefix"`
	Stopped bool   `json:"stopped"`
}

type rule struct {
	ID                             string `json:"id"`
	Prefix                         string `json:"prefix"`
	ExpireAfterDays                int32  `json:"expireAfterDays"`
	ExpireNoncurrentAfterDays      int32  `json:"expireNoncurrentAfterDays"`
	AbortIncompleteUploadAfterDays int32  `json:"abortIncompleteUploadAfterDays"`
	Disabled                       bool   `json:"disabled"`

	Tags                map[string]string `json:"tags"`
	SizeGreaterThan     int64             `json:"sizeGreaterThan,string"`
	SizeLessThan        int64             `json:"sizeLessThan,string"`
	KeepNewerNoncurrent int32             `json:"keepNewerNoncurrent"`
	ExpireDeleteMarkers bool              `json:"expireDeleteMarkers"`
	Transition          *struct{}         `json:"transition"`
}

type condition struct {
	Type           string    `json:"type"`
	Status         bool      `json:"status"`
	Reason         string    `json:"reason"`
	Message        string    `json:"message"`
	TransitionTime time.Time `json:"transitionTime"`
}

type bucketList struct {
	Buckets       []bucket `json:"buckets"`
	NextPageToken string   `json:"nextPageToken"`
}

// keptRule, keptSettings and keptCondition are how the database has them.
type (
	keptRule struct {
		ID                        string `json:"id"`
		Prefix                    string `json:"prefix"`
		SizeGreaterThan           int64  `json:"size_greater_than"`
		SizeLessThan              int64  `json:"size_less_than"`
		ExpireAfterDays           int32  `json:"expire_after_days"`
		ExpireNoncurrentAfterDays int32  `json:"expire_noncurrent_after_days"`
		KeepNewer                 int32  `json:"keep_newer_noncurrent"`
		ExpireMarkers             bool   `json:"expire_delete_markers"`
		AbortAfterDays            int32  `json:"abort_incomplete_upload_after_days"`
		Disabled                  bool   `json:"disabled"`
	}
	keptSettings struct {
		Tags       map[string]string      `json:"tags"`
		Lock       struct{ Enabled bool } `json:"object_lock"`
		Encryption string                 `json:"default_encryption"`
		Public     public                 `json:"public_access"`
	}
	keptCondition struct {
		Type    string    `json:"type"`
		Status  bool      `json:"status"`
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
		Since   time.Time `json:"since"`
	}
)

func (s *server) getBucket(w http.ResponseWriter, r *http.Request) {
	account, ok := s.account(w, r)
	if !ok {
		return
	}
	list, err := s.buckets(r.Context(), account, GetBucketSQL, account, r.PathValue("bucket"))
	if err == nil && len(list) == 0 {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		answer(w, nil, err)
		return
	}
	answer(w, list[0], nil)
}

func (s *server) listBuckets(w http.ResponseWriter, r *http.Request) {
	account, ok := s.account(w, r)
	if !ok {
		return
	}
	size, err := strconv.Atoi(r.URL.Query().Get("pageSize"))
	if err != nil {
		http.Error(w, "pageSize", http.StatusBadRequest)
		return
	}
	list, err := s.buckets(r.Context(), account, ListBucketsSQL, account, "", true, "", "", "", "{}", size+1)
	answer(w, bucketList{Buckets: list[:min(len(list), size)]}, err)
}

// buckets runs a statement in the scope of the account.
func (s *server) buckets(ctx context.Context, account, sql string, args ...any) (list []bucket, err error) {
	var batch pgx.Batch
	batch.Queue(setAccount, account)
	batch.Queue(sql, args...)
	results := s.storage.SendBatch(ctx, &batch)
	defer func() {
		if closing := results.Close(); err == nil {
			err = closing
		}
	}()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func scan(row pgx.CollectableRow) (b bucket, err error) {
	var lifecycle, conditions, settings []byte
	var desired string
	var version, seenGeneration int64
	var marked, unsure, adopting, stopped bool
	var seenAt, sightedAt *time.Time
	err = row.Scan(&b.ID, &b.AccountID, &b.Backend, &b.Name, &b.CustomerReference, &b.Versioning, &b.QuotaBytes, &lifecycle,
		&desired, &b.State, &version, &marked, &seenAt, &seenGeneration, &unsure, &sightedAt, &b.CreateTime, &b.UpdateTime,
		&b.Labels, &settings, &adopting, &b.Generation, &b.ObservedGeneration, &conditions, &stopped)
	if err != nil {
		return b, err
	}
	b.Versioning, b.State = "VERSIONING_"+b.Versioning, "BUCKET_STATE_"+b.State
	b.ETag, b.CreateTime, b.UpdateTime = strconv.FormatInt(version, 10), b.CreateTime.UTC(), b.UpdateTime.UTC()
	var rules []keptRule
	if err := json.Unmarshal(lifecycle, &rules); err != nil {
		return b, err
	}
	b.LifecycleRules = make([]rule, len(rules))
	for i, k := range rules {
		b.LifecycleRules[i] = rule{
			ID: k.ID, Prefix: k.Prefix, Disabled: k.Disabled,
			ExpireAfterDays: k.ExpireAfterDays, ExpireNoncurrentAfterDays: k.ExpireNoncurrentAfterDays,
			AbortIncompleteUploadAfterDays: k.AbortAfterDays, Tags: map[string]string{},
			SizeGreaterThan: k.SizeGreaterThan, SizeLessThan: k.SizeLessThan,
			KeepNewerNoncurrent: k.KeepNewer, ExpireDeleteMarkers: k.ExpireMarkers,
		}
	}
	if err := b.set(settings, stopped); err != nil {
		return b, err
	}
	var kept []keptCondition
	if err := json.Unmarshal(conditions, &kept); err != nil {
		return b, err
	}
	b.Conditions = make([]condition, len(kept))
	for i, k := range kept {
		b.Conditions[i] = condition{Type: k.Type, Status: k.Status, Reason: k.Reason, Message: k.Message, TransitionTime: k.Since}
	}
	return b, nil
}

// set reads the settings.
func (b *bucket) set(raw []byte, stopped bool) error {
	var kept keptSettings
	if err := json.Unmarshal(raw, &kept); err != nil {
		return err
	}
	b.Tags, b.DefaultEncryption, b.CORSRules = map[string]string{}, "DEFAULT_ENCRYPTION_"+cmp.Or(kept.Encryption, "NONE"), []struct{}{}
	maps.Copy(b.Tags, kept.Tags)
	if kept.Lock.Enabled {
		b.ObjectLock = &lock{}
	}
	b.PublicAccess = kept.Public
	b.PublicAccess.Stopped = kept.Public.Read && stopped
	return nil
}
