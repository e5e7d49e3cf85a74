package faults_test

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// made is how every bucket is created, changed how it is updated: each field differs, so
// that each takes a step of its own.
var (
	made = bucket.Spec{
		Versioning: bucket.VersioningEnabled, QuotaBytes: 1 << 30,
		Lifecycle: []bucket.Rule{{ID: "old", Prefix: "tmp/", ExpireAfterDays: 7}},
	}
	changed = bucket.Spec{
		Versioning: bucket.VersioningSuspended, QuotaBytes: 2 << 30,
		Lifecycle: []bucket.Rule{{ID: "new", Prefix: "log/", ExpireAfterDays: 30}},
	}
)

func createRequest(c call) *storagev1.CreateBucketRequest {
	return &storagev1.CreateBucketRequest{
		AccountId: c.Account, Name: c.Bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
		QuotaBytes: made.QuotaBytes, LifecycleRules: rules(made),
	}
}

func updateRequest(c call) *storagev1.UpdateBucketRequest {
	return &storagev1.UpdateBucketRequest{
		AccountId: c.Account, BucketName: c.Bucket,
		Bucket: &storagev1.Bucket{
			Versioning: storagev1.Versioning_VERSIONING_SUSPENDED, QuotaBytes: changed.QuotaBytes, LifecycleRules: rules(changed),
		},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"versioning", "quota_bytes", "lifecycle_rules"}},
	}
}

func rules(s bucket.Spec) []*storagev1.LifecycleRule {
	var list []*storagev1.LifecycleRule
	for _, r := range s.Lifecycle {
		list = append(list, &storagev1.LifecycleRule{Id: r.ID, Prefix: r.Prefix, ExpireAfterDays: int32(r.ExpireAfterDays)})
	}
	return list
}

// cell is one death and what came of it.
type cell struct {
	call   call
	bearer string
	step   string
	after  bool

	victim *testkit.Process
	// died is when, outcome the operation's state once all was at rest, which took rest.
	died    time.Time
	outcome string
	rest    time.Duration
	// again is how the repeated call was answered.
	again string
	// trouble is what is wrong at present, or for good.
	trouble error
}

func (c *cell) when() string {
	if c.after {
		return "after"
	}
	return "before"
}

func (c *cell) name() string { return c.call.Operation + " " + c.when() + " " + c.step }

// want is what the backend must have when the operation ended so; ok is false for nothing.
func (c *cell) want(outcome string) (spec bucket.Spec, ok bool) {
	done := outcome == succeeded
	switch c.call.Operation {
	case "create":
		return made, done
	case "update":
		if done {
			return changed, true
		}
		return made, true
	case refusedDelete:
		return made, true
	default:
		return made, !done
	}
}

// bury waits until the victim is dead, and checks that it was killed.
func (c *cell) bury() {
	err := c.victim.Wait()
	c.died = time.Now()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		c.trouble = fmt.Errorf("the process was not killed: %w", errors.Join(err, errors.New("it ended by itself")))
		return
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		c.trouble = fmt.Errorf("the process was not killed: %w", err)
	}
}
