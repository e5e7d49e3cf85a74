package grpcapi

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
)

type lifecycleRules struct {
	storagev1.UnimplementedLifecycleRuleServiceServer
	use     *bucket.Service
	effects *lifecycle.Service
}

func (s *lifecycleRules) ListLifecycleRules(ctx context.Context, r *storagev1.ListLifecycleRulesRequest) (*storagev1.ListLifecycleRulesResponse, error) {
	list, next, err := s.use.ListRules(ctx, r.GetAccountId(), r.GetBucket(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListLifecycleRulesResponse{LifecycleRules: all(list, rule), NextPageToken: next}, nil
}

func (s *lifecycleRules) GetLifecycleRule(ctx context.Context, r *storagev1.GetLifecycleRuleRequest) (*storagev1.GetLifecycleRuleResponse, error) {
	found, err := s.use.GetRule(ctx, bucket.RulePlace{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), ID: r.GetRuleId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.GetLifecycleRuleResponse{LifecycleRule: rule(found)}, nil
}

func (s *lifecycleRules) CreateLifecycleRule(ctx context.Context, r *storagev1.CreateLifecycleRuleRequest) (*storagev1.CreateLifecycleRuleResponse, error) {
	at := bucket.RulePlace{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), ETag: r.GetEtag()}
	made, done, err := s.use.CreateRule(ctx, at, ruleOf(r.GetLifecycleRule()))
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateLifecycleRuleResponse{LifecycleRule: rule(made)}, begun(ctx, done.OperationID)
}

func (s *lifecycleRules) UpdateLifecycleRule(ctx context.Context, r *storagev1.UpdateLifecycleRuleRequest) (*storagev1.UpdateLifecycleRuleResponse, error) {
	at := bucket.RulePlace{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), ID: r.GetRuleId(), ETag: r.GetEtag()}
	changed, done, err := s.use.UpdateRule(ctx, at, func(was bucket.Rule) (bucket.Rule, error) { return masked(was, r) })
	if err != nil {
		return nil, err
	}
	return &storagev1.UpdateLifecycleRuleResponse{LifecycleRule: rule(changed)}, begun(ctx, done.OperationID)
}

func (s *lifecycleRules) DeleteLifecycleRule(ctx context.Context, r *storagev1.DeleteLifecycleRuleRequest) (*storagev1.DeleteLifecycleRuleResponse, error) {
	at := bucket.RulePlace{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), ID: r.GetRuleId(), ETag: r.GetEtag()}
	done, err := s.use.DeleteRule(ctx, at)
	if err != nil {
		return nil, err
	}
	return &storagev1.DeleteLifecycleRuleResponse{}, begun(ctx, done.OperationID)
}

// masked returns the rule with the fields that the mask names taken from the request; without
// a mask, or with "*", all of them.
func masked(was bucket.Rule, r *storagev1.UpdateLifecycleRuleRequest) (bucket.Rule, error) {
	asked, ok := proto.Clone(r.GetLifecycleRule()).(*storagev1.LifecycleRule)
	paths := r.GetUpdateMask().GetPaths()
	if !ok || len(paths) == 0 || len(paths) == 1 && paths[0] == "*" {
		return ruleOf(r.GetLifecycleRule()), nil
	}
	now := rule(was)
	fields := now.ProtoReflect().Descriptor().Fields()
	for _, path := range paths {
		path, _, _ := strings.Cut(path, ".") // over REST it names what is inside of a field
		field := fields.ByName(protoreflect.Name(path))
		if field == nil || path == "id" {
			return bucket.Rule{}, bucket.RuleNotUpdatable(path)
		}
		if asked.ProtoReflect().Has(field) {
			now.ProtoReflect().Set(field, asked.ProtoReflect().Get(field))
		} else {
			now.ProtoReflect().Clear(field)
		}
	}
	return ruleOf(now), nil
}

func (s *lifecycleRules) PreviewLifecycleRule(ctx context.Context, r *storagev1.PreviewLifecycleRuleRequest) (*storagev1.PreviewLifecycleRuleResponse, error) {
	p, err := s.effects.Preview(ctx, r.GetAccountId(), r.GetBucket(), ruleOf(r.GetLifecycleRule()), int(r.GetLimit()))
	if err != nil {
		return nil, err
	}
	return &storagev1.PreviewLifecycleRuleResponse{Preview: &storagev1.LifecyclePreview{
		Expire: hits(p.Expire), ExpireNoncurrent: hits(p.Noncurrent), ExpireDeleteMarkers: hits(p.Markers),
		Transition: hits(p.Transition), AbortIncompleteUploads: hits(p.Uploads),
		Examined: int64(p.Examined), Complete: p.Complete, EvaluateTime: stamp(p.At),
	}}, nil
}

func hits(h lifecycle.Hits) *storagev1.LifecycleHits {
	return &storagev1.LifecycleHits{Count: h.Count, Bytes: h.Bytes}
}
