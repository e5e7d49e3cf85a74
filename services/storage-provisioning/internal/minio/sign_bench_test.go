package minio_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// processor is the time that this process has had of a processor.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it is asked about itself
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkSigning shows what a URL costs once nobody has to be asked, in the time that it takes
// of a processor, so that whatever else the machine does counts for nothing: run it with
// GOMAXPROCS=1. The aim is 20 000 URLs a second on one core.
func BenchmarkSigning(b *testing.B) {
	s := testkit.MinIO(b)
	adapter := backend(b, s, func(c *minio.Config) { c.PublicEndpoint = "https://s3.example.com" })
	one := newTenant(b, adapter, name("sign-"))
	reader := principal.KeySpec{User: one.user, ID: name("R"), Secret: name("reader-secret-"), Policy: policy.Documents{}.Reader()}
	must(b, adapter.PutKey(b.Context(), reader))
	key := "reports/2026/november/größe and more.pdf"
	session, err := policy.Upload(one.bucket, key)
	must(b, err)
	scope := object.Scope{Login: object.Login{User: one.user, Secret: one.secret}, Policy: session}
	id, err := adapter.Begin(b.Context(), scope, object.NewUpload{Bucket: one.bucket, Key: key})
	must(b, err)
	measure := func(b *testing.B, each int, sign func() error) {
		began := processor()
		for b.Loop() {
			must(b, sign())
		}
		b.ReportMetric(float64(each*b.N)/(processor()-began).Seconds(), "URLs/core-s")
	}
	b.Run("download", func(b *testing.B) {
		measure(b, 1, func() error {
			_, err := adapter.PresignDownload(b.Context(), object.Download{
				Reader: reader.ID, Secret: reader.Secret, Bucket: one.bucket, Key: key, Lifetime: time.Minute,
			})
			return err
		})
	})
	numbers := make([]int, 100)
	for i := range numbers {
		numbers[i] = i + 1
	}
	for _, list := range [][]int{numbers[:1], numbers} {
		b.Run(map[int]string{1: "part", 100: "100 parts"}[len(list)], func(b *testing.B) {
			measure(b, len(list), func() error {
				_, err := adapter.PresignParts(b.Context(), object.PartURLs{
					Scope: scope, UploadRef: object.UploadRef{Bucket: one.bucket, Key: key, ID: id}, Numbers: list, Lifetime: time.Minute,
				})
				return err
			})
		})
	}
	// What is fast must also be right.
	signed, err := adapter.PresignParts(b.Context(), object.PartURLs{
		Scope: scope, UploadRef: object.UploadRef{Bucket: one.bucket, Key: key, ID: id}, Numbers: []int{1}, Lifetime: time.Minute,
	})
	must(b, err)
	if !strings.HasPrefix(signed[0].URL, "https://s3.example.com/"+one.bucket+"/") || signed[0].Method != http.MethodPut {
		b.Errorf("it is for %s", signed[0].Method)
	}
}
