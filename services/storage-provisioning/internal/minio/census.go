package minio

import (
	"archive/zip"
	"context"
	"io"
	"os"
	"strings"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// ObserveAll visits every bucket, whoever owns it, by one answer of the server. One whose
// part of the answer cannot be read is visited without a mark; one whose part is not whole is
// not visited.
func (b *Backend) ObserveAll(ctx context.Context, visit func(name string, o bucket.Observed)) error {
	return b.cfg.Around(ctx, "minio.ObserveAll", func(ctx context.Context) error {
		return b.requestWithin(ctx, b.cfg.CensusTimeout, func(ctx context.Context) error {
			body, err := b.admin.ExportBucketMetadata(ctx, "")
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			return spooled(body, func(archive *zip.Reader) error { return visitAll(archive, visit) })
		})
	})
}

// spooled reads an archive by way of a file, since its table stands at its end, and it may be
// long.
func spooled(body io.Reader, read func(*zip.Reader) error) error {
	file, err := os.CreateTemp("", "primecloud-census-*.zip")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close(); _ = os.Remove(file.Name()) }()
	size, err := io.Copy(file, body)
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return errBrokenOff.Wrap(err)
	}
	return read(archive)
}

// visitAll reads the archive bucket by bucket: what belongs to one stands together.
func visitAll(archive *zip.Reader, visit func(name string, o bucket.Observed)) error {
	current, found := "", settings{}
	flush := func() {
		if _, whole := found[documentNotification]; !whole {
			return
		}
		o, err := found.observed(current)
		if err != nil {
			o = bucket.Observed{Exists: true}
		}
		visit(current, o)
	}
	for _, file := range archive.File {
		name, document, ok := strings.Cut(file.Name, "/")
		if !ok {
			continue
		}
		if name != current {
			flush()
			current, found = name, settings{}
		}
		content, err := unzip(file)
		if err != nil {
			return errBrokenOff.Wrap(err)
		}
		found[document] = content
	}
	flush()
	return nil
}
