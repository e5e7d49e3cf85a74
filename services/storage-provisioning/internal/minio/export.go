package minio

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"github.com/minio/minio-go/v7/pkg/sse"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// The documents of an export that we read. A bucket has those that were set.
const (
	documentPolicy     = "policy.json"
	documentLifecycle  = "lifecycle.xml"
	documentEncryption = "bucket-encryption.xml"
	documentTags       = "tagging.xml"
	documentQuota      = "quota.json"
	documentLock       = "object-lock.xml"
	documentVersioning = "versioning.xml"
	// documentNotification is in every export.
	documentNotification = "notification.xml"
)

var errBrokenOff = errUnavailable.WithMessage("the storage backend's answer broke off; retry with the same idempotency key")

// settings are a bucket's documents by name.
type settings map[string][]byte

// export asks for all settings of a bucket in one request: seven of their own would each take
// a turn at the server, for what it holds in memory anyway.
func (b *Backend) export(ctx context.Context, name string) (settings, error) {
	body, err := b.admin.ExportBucketMetadata(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, errBrokenOff.Wrap(err)
	}
	found := settings{}
	for _, file := range archive.File {
		content, err := unzip(file)
		if err != nil {
			return nil, errBrokenOff.Wrap(err)
		}
		found[strings.TrimPrefix(file.Name, name+"/")] = content
	}
	if _, whole := found[documentNotification]; !whole {
		// An answer without what every bucket has says nothing about the rest either.
		return nil, errUnavailable.WithMessage("the storage backend's answer is not whole; retry with the same idempotency key")
	}
	return found, nil
}

func unzip(file *zip.File) ([]byte, error) {
	content, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	return io.ReadAll(content)
}

// observed reads the documents.
func (s settings) observed(name string) (bucket.Observed, error) {
	o := bucket.Observed{Exists: true, Spec: bucket.NewSpec()}
	var versioning minio.BucketVersioningConfiguration
	var quota madmin.BucketQuota
	var rules lifecycle.Configuration
	var encryption sse.Configuration
	var lock lockDocument
	for _, document := range []struct {
		name string
		read func([]byte, any) error
		into any
	}{
		{documentVersioning, xml.Unmarshal, &versioning},
		{documentQuota, json.Unmarshal, &quota},
		{documentLifecycle, xml.Unmarshal, &rules},
		{documentEncryption, xml.Unmarshal, &encryption},
		{documentLock, xml.Unmarshal, &lock},
	} {
		raw, ok := s[document.name]
		if !ok || len(raw) == 0 {
			continue
		}
		if err := document.read(raw, document.into); err != nil {
			return bucket.Observed{}, errUnavailable.WithMessage("the storage backend's %s cannot be read", document.name).Wrap(err)
		}
	}
	switch {
	case versioning.Enabled():
		o.Spec.Versioning = bucket.VersioningEnabled
	case versioning.Suspended():
		o.Spec.Versioning = bucket.VersioningSuspended
	}
	// Size is the newer field, Quota the older one.
	o.Spec.QuotaBytes = int64(max(quota.Size, quota.Quota)) //nolint:gosec // a quota above 8 EiB is not one of ours
	for _, rule := range rules.Rules {
		o.Spec.Lifecycle = append(o.Spec.Lifecycle, ruleFromMinIO(rule))
	}
	o.Spec.Lifecycle = bucket.SortedRules(o.Spec.Lifecycle)
	o.Spec.Encryption, o.Spec.Lock, o.Spec.Public = encryptionOf(encryption), lock.lock(), publicOf(name, s[documentPolicy])
	return o, s.tags(&o)
}

// tags reads our mark and, apart from it, the owner's tags.
func (s settings) tags(o *bucket.Observed) error {
	raw, ok := s[documentTags]
	if !ok || len(raw) == 0 {
		return nil
	}
	found, err := tags.ParseBucketXML(bytes.NewReader(raw))
	if err != nil {
		return errUnavailable.WithMessage("the storage backend's %s cannot be read", documentTags).Wrap(err)
	}
	all := found.ToMap()
	o.Mark = bucket.Mark{ID: all[tagID], AccountID: all[tagAccount]}
	delete(all, tagID)
	delete(all, tagAccount)
	if len(all) > 0 {
		o.Spec.Tags = all
	}
	return nil
}

// lockDocument is the object lock as S3 spells it.
type lockDocument struct {
	Enabled string `xml:"ObjectLockEnabled"`
	Rule    *struct {
		Default struct {
			Mode  string `xml:"Mode"`
			Days  int    `xml:"Days"`
			Years int    `xml:"Years"`
		} `xml:"DefaultRetention"`
	} `xml:"Rule"`
}

func (d lockDocument) lock() bucket.Lock {
	lock := bucket.Lock{Enabled: d.Enabled == statusEnabled}
	if d.Rule != nil {
		lock.Mode, lock.Days, lock.Years = bucket.RetentionMode(d.Rule.Default.Mode), d.Rule.Default.Days, d.Rule.Default.Years
	}
	return lock
}

func encryptionOf(found sse.Configuration) bucket.Encryption {
	switch {
	case len(found.Rules) == 0:
		return bucket.EncryptionNone
	case len(found.Rules) == 1 && found.Rules[0].Apply == (sse.ApplySSEByDefault{SSEAlgorithm: "AES256"}):
		return bucket.EncryptionSSES3
	default:
		return bucket.EncryptionOther
	}
}

// publicOf reads what a bucket's policy lets everybody do. One that says anything else than
// ours can counts as another's.
func publicOf(name string, raw []byte) bucket.Public {
	if len(raw) == 0 {
		return bucket.Public{}
	}
	prefix, ours := policy.PublicPrefix(name, raw)
	return bucket.Public{Read: ours, Prefix: prefix, Other: !ours}
}
