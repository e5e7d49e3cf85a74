package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"github.com/minio/minio-go/v7/pkg/tags"
)

// The bound on the median of creating a bucket: so many times the bare calls, and so much more.
const (
	wantTimes = 1.3
	wantPlus  = 8 * time.Millisecond
)

// creation compares creating a bucket over REST with the calls of MinIO that it cannot do
// without, in milliseconds.
type creation struct {
	// ours and theirs are medians of the rounds.
	ours, theirs sample
	calls        string
	// others is what other processes took of the machine.
	others float64
}

// bound is what ours may be at most.
func (c creation) bound() float64 {
	return wantTimes*c.theirs.median() + float64(wantPlus)/float64(time.Millisecond)
}

func (c creation) met() bool { return c.ours.median() <= c.bound() }

// backdoor calls MinIO with the libraries that the suite uses too.
type backdoor struct {
	s3    *minio.Client
	admin *madmin.AdminClient
}

func (b *bench) backdoor() (backdoor, error) {
	t := b.place.Target
	at, err := url.Parse(t.MinIO)
	if err != nil {
		return backdoor{}, err
	}
	creds := credentials.NewStaticV4(t.MinIOUser, t.MinIOPassword, "")
	s3, err := minio.New(at.Host, &minio.Options{Creds: creds, Region: t.Region, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		return backdoor{}, err
	}
	admin, err := madmin.NewWithOptions(at.Host, &madmin.Options{Creds: creds})
	return backdoor{s3: s3, admin: admin}, err
}

// calls are what making a bucket takes on MinIO at the least: the bucket, its mark, its
// versioning, its quota and its rule, and the policy by which the account's keys reach it.
const calls = "MakeBucket, SetBucketTagging, SetBucketVersioning, SetBucketQuota, SetBucketLifecycle, AddCannedPolicy"

func (m backdoor) make(ctx context.Context, name string) error {
	mark, err := tags.NewTags(map[string]string{"primecloud-id": "bkt_00000000000000000000000000", "primecloud-account": "acc_00000000000000000000000000"}, false)
	if err != nil {
		return err
	}
	rules := lifecycle.NewConfiguration()
	rules.Rules = []lifecycle.Rule{{
		ID: "tidy", Status: "Enabled", RuleFilter: lifecycle.Filter{Prefix: "tmp/"}, Expiration: lifecycle.Expiration{Days: 7},
	}}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"]}]}`, name, name)
	for _, call := range []func() error{
		func() error { return m.s3.MakeBucket(ctx, name, minio.MakeBucketOptions{}) },
		func() error { return m.s3.SetBucketTagging(ctx, name, mark) },
		func() error { return m.s3.EnableVersioning(ctx, name) },
		func() error {
			return m.admin.SetBucketQuota(ctx, name, &madmin.BucketQuota{Quota: 1 << 30, Size: 1 << 30, Type: madmin.HardQuota})
		},
		func() error { return m.s3.SetBucketLifecycle(ctx, name, rules) },
		func() error { return m.admin.AddCannedPolicy(ctx, "bench-policy", []byte(policy)) },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// maker makes and removes buckets on one side.
type maker struct {
	prefix       string
	make, remove func(context.Context, string) error
}

// create makes buckets on both sides in every round, one at a time.
func (b *bench) create(ctx context.Context) (creation, error) {
	made := creation{calls: calls}
	door, err := b.backdoor()
	if err != nil {
		return made, err
	}
	sides := []maker{{"ours", b.makeBucket, b.removeBucket}, {"bare", door.make, door.s3.RemoveBucket}}
	rounds, measured, err := quietest(b.config.Rounds, func(i int) (took [2]float64, err error) {
		order := []int{0, 1}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, side := range order {
			if took[side], err = b.makeAll(ctx, sides[side], i); err != nil {
				return took, err
			}
		}
		return took, nil
	})
	if err != nil {
		return made, err
	}
	for _, r := range rounds {
		made.ours, made.theirs = append(made.ours, r.value[0]), append(made.theirs, r.value[1])
	}
	made.others = others(rounds)
	fmt.Fprintf(b.out, "create a bucket: %.1f ms beside %.1f ms of bare calls; at most %.1f ms is wanted; others took %.0f %% (%d rounds)\n",
		made.ours.median(), made.theirs.median(), made.bound(), 100*made.others, measured)
	return made, nil
}

// makeAll makes the buckets of a round on one side, and removes each, and returns how long the
// making takes in the median, in milliseconds.
func (b *bench) makeAll(ctx context.Context, m maker, round int) (float64, error) {
	var took sample
	for i := range b.config.Creates {
		name := fmt.Sprintf("%s-%d-%d", m.prefix, round, i)
		began := time.Now()
		if err := m.make(ctx, name); err != nil {
			return 0, fmt.Errorf("make %s: %w", name, err)
		}
		took = append(took, float64(time.Since(began).Microseconds())/1000)
		if err := m.remove(ctx, name); err != nil {
			return 0, fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return took.median(), nil
}

func (b *bench) makeBucket(ctx context.Context, name string) error {
	_, err := b.world.makeBucket(ctx, b.world.workshop, name)
	return err
}

func (b *bench) removeBucket(ctx context.Context, name string) error {
	_, err := b.world.web.Call(ctx, http.MethodDelete, "/v1/accounts/"+b.world.workshop+"/buckets/"+name, nil, nil)
	if err != nil && strings.Contains(err.Error(), "NOT_FOUND") {
		return errors.Join(err, errors.New("it was made a moment ago"))
	}
	return err
}
