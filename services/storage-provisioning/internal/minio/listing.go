package minio

import (
	"context"
	"iter"

	"github.com/minio/minio-go/v7"
)

// listed lists a bucket to its end, or says why not. The client's own list ends without a word
// once its time is over, be it before the first page or in the midst of one, and who counts what
// it returned would take a part for the whole.
func listed(ctx context.Context, client *minio.Client, bucket string, opts minio.ListObjectsOptions) iter.Seq2[minio.ObjectInfo, error] {
	return func(yield func(minio.ObjectInfo, error) bool) {
		for found := range client.ListObjectsIter(ctx, bucket, opts) {
			if found.Err != nil {
				yield(minio.ObjectInfo{}, found.Err)
				return
			}
			if !yield(found, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(minio.ObjectInfo{}, err)
		}
	}
}
