package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

var _ lifecycle.Inventory = (*Buckets)(nil)

// bucketSettings is what the column settings holds.
type bucketSettings struct {
	Tags       map[string]string `json:"tags,omitempty"`
	Lock       bucket.Lock       `json:"object_lock,omitzero"`
	Encryption bucket.Encryption `json:"default_encryption,omitempty"`
	Public     bucket.Public     `json:"public_access,omitzero"`
}

// askedOf is what an owner asks of a bucket, as it is stored.
type askedOf struct{ rules, labels, settings []byte }

func encodeAsked(b bucket.Bucket) (askedOf, error) {
	rules := b.Spec.Lifecycle
	if rules == nil {
		rules = []bucket.Rule{}
	}
	var asked askedOf
	var err error
	if asked.rules, err = json.Marshal(rules); err != nil {
		return askedOf{}, fmt.Errorf("encode the lifecycle rules of bucket %s: %w", b.ID, err)
	}
	if asked.labels, err = encodeLabels(b.Labels); err != nil {
		return askedOf{}, err
	}
	asked.settings, err = json.Marshal(bucketSettings{
		Tags: b.Spec.Tags, Lock: b.Spec.Lock, Encryption: b.Spec.Encryption, Public: b.Spec.Public,
	})
	if err != nil {
		return askedOf{}, fmt.Errorf("encode the settings of bucket %s: %w", b.ID, err)
	}
	return asked, nil
}

func encodeLabels(labels map[string]string) ([]byte, error) {
	if labels == nil {
		labels = map[string]string{}
	}
	return json.Marshal(labels)
}

// decodeSettings reads labels and settings back.
func decodeSettings(r db.Bucket, b *bucket.Bucket) error {
	var settings bucketSettings
	if err := json.Unmarshal(r.Settings, &settings); err != nil {
		return fmt.Errorf("decode the settings of bucket %s: %w", r.ID, err)
	}
	b.Spec.Tags, b.Spec.Lock, b.Spec.Encryption, b.Spec.Public = settings.Tags, settings.Lock, settings.Encryption, settings.Public
	var labels map[string]string
	if err := json.Unmarshal(r.Labels, &labels); err != nil {
		return fmt.Errorf("decode the labels of bucket %s: %w", r.ID, err)
	}
	if len(labels) > 0 {
		b.Labels = labels
	}
	return nil
}

// Standing returns buckets that are ready, across accounts: what lifecycle rules need of them.
func (s *Buckets) Standing(ctx context.Context, after string, limit int) ([]bucket.Bucket, error) {
	rows, err := db.New(s.DB.Read(pg.System("abort incomplete uploads"))).StandingBuckets(ctx, db.StandingBucketsParams{After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]bucket.Bucket, len(rows))
	for i, row := range rows {
		list[i] = bucket.Bucket{ID: row.ID, AccountID: row.AccountID, Backend: row.Backend, Name: row.Name}
		if err := json.Unmarshal(row.Lifecycle, &list[i].Spec.Lifecycle); err != nil {
			return nil, fmt.Errorf("decode the lifecycle rules of bucket %s: %w", row.ID, err)
		}
	}
	return list, nil
}
