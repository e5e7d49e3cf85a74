package grpcapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/network"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

type shares struct {
	storagev1.UnimplementedShareServiceServer
	use   *share.Service
	fresh func(context.Context) error
}

func (s *shares) CreateShare(ctx context.Context, r *storagev1.CreateShareRequest) (*storagev1.CreateShareResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	bare := proto.CloneOf(r)
	bare.Password = ""
	ctx, err := unguessable(ctx, bare)
	if err != nil {
		return nil, err
	}
	made, token, err := s.use.Create(ctx, share.NewShare{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), DisplayName: r.GetDisplayName(), Scope: scopeOf(r.GetScope()), Path: r.GetPath(),
		Password: r.GetPassword(), ExpireTime: timeOf(r.GetExpireTime()), UseLimit: r.GetUseLimit(), Networks: r.GetAllowedNetworks(),
		MaxUploadBytes: r.GetMaxUploadBytes(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateShareResponse{Share: Share(made), Token: token}, nil
}

// unguessable has the idempotency key go with the hash of a request that holds no password: a
// plain hash beside a password's slow one would be the easier to guess it from.
func unguessable(ctx context.Context, bare proto.Message) (context.Context, error) {
	key := idempotency.FromContext(ctx)
	if key.Value == "" {
		return ctx, nil
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare)
	if err != nil {
		return nil, err
	}
	key.RequestHash = sha256.Sum256(raw)
	return idempotency.NewContext(ctx, key), nil
}

func (s *shares) GetShare(ctx context.Context, r *storagev1.GetShareRequest) (*storagev1.GetShareResponse, error) {
	found, err := s.use.Get(ctx, r.GetAccountId(), r.GetShareId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetShareResponse{Share: Share(found)}, nil
}

func (s *shares) ListShares(ctx context.Context, r *storagev1.ListSharesRequest) (*storagev1.ListSharesResponse, error) {
	query := share.Query{AccountID: r.GetAccountId(), Bucket: r.GetBucket()}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListSharesResponse{Shares: all(list, Share), NextPageToken: next}, nil
}

func (s *shares) UpdateShare(ctx context.Context, r *storagev1.UpdateShareRequest) (*storagev1.UpdateShareResponse, error) {
	changes, err := shareChangesOf(r)
	if err != nil {
		return nil, err
	}
	bare := proto.CloneOf(r)
	bare.GetShare().Password = ""
	if ctx, err = unguessable(ctx, bare); err != nil {
		return nil, err
	}
	at := share.Place{AccountID: r.GetAccountId(), ShareID: r.GetShareId()}
	// Whoever sends back the share as it was read sends its etag with it.
	changed, err := s.use.Update(ctx, at, cmp.Or(r.GetEtag(), r.GetShare().GetEtag()), changes)
	if err != nil {
		return nil, err
	}
	return &storagev1.UpdateShareResponse{Share: Share(changed)}, nil
}

func (s *shares) RevokeShare(ctx context.Context, r *storagev1.RevokeShareRequest) (*storagev1.RevokeShareResponse, error) {
	revoked, err := s.use.Revoke(ctx, share.Place{AccountID: r.GetAccountId(), ShareID: r.GetShareId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.RevokeShareResponse{Share: Share(revoked)}, nil
}

func (s *shares) ListShareAccesses(
	ctx context.Context, r *storagev1.ListShareAccessesRequest,
) (*storagev1.ListShareAccessesResponse, error) {
	query := share.LogQuery{AccountID: r.GetAccountId(), ShareID: r.GetShareId()}
	list, next, err := s.use.Accesses(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListShareAccessesResponse{ShareAccesses: all(list, shareAccess), NextPageToken: next}, nil
}

func (s *shares) ResolveShare(ctx context.Context, r *storagev1.ResolveShareRequest) (*storagev1.ResolveShareResponse, error) {
	found, err := s.use.Resolve(ctx, share.Asked{
		Token: r.GetToken(), Password: r.GetPassword(), Key: r.GetKey(), UploadName: r.GetUploadName(), UploadSize: r.GetUploadSize(),
		Size: r.GetPageSize(), Page: r.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	out := &storagev1.ResolveShareResponse{
		DisplayName: found.Share.DisplayName, Scope: shareScopes[found.Share.Scope], ExpireTime: stamp(found.Share.ExpireTime),
		UploadEndpoint: found.Endpoint, Objects: all(found.Objects, sharedObject), NextPageToken: found.Next,
	}
	if found.Share.Scope == share.Upload {
		out.MaxUploadBytes = cmp.Or(found.Share.MaxUploadBytes, share.MaxUpload)
	}
	if d := found.Download; d != nil {
		out.Download = &storagev1.SharedDownload{Name: d.Name, Url: d.URL, ExpireTime: stamp(d.ExpireTime)}
	}
	if u := found.Upload; u != nil {
		out.Upload = &storagev1.SharedUpload{Key: u.Key, Method: u.Method, Url: u.URL, Headers: u.Headers, ExpireTime: stamp(u.ExpireTime)}
	}
	return out, nil
}

func sharedObject(f share.Found) *storagev1.SharedObject {
	return &storagev1.SharedObject{Key: f.Key, SizeBytes: f.Size, UpdateTime: stamp(f.At)}
}

// shareChangesOf returns the fields that the mask names. Without a mask these are the ones
// that are set (AIP-134); "*" names all that can be changed.
func shareChangesOf(r *storagev1.UpdateShareRequest) (share.Changes, error) {
	x := r.GetShare()
	name, password, expiry, limit, networks := x.GetDisplayName(), x.GetPassword(), timeOf(x.GetExpireTime()), x.GetUseLimit(), x.GetAllowedNetworks()
	var changes share.Changes
	paths := r.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		paths = setShareFields(x)
	}
	for _, path := range paths {
		switch path {
		case "display_name":
			changes.DisplayName = &name
		case "password":
			changes.Password = &password
		case "expire_time":
			changes.ExpireTime = &expiry
		case "use_limit":
			changes.UseLimit = &limit
		case "allowed_networks":
			changes.Networks = &networks
		case "etag": // a precondition, which the call has
		case "*":
			changes = share.Changes{DisplayName: &name, Password: &password, ExpireTime: &expiry, UseLimit: &limit, Networks: &networks}
		default:
			return share.Changes{}, share.NotUpdatable(path)
		}
	}
	return changes, nil
}

func setShareFields(x *storagev1.Share) []string {
	var paths []string
	for path, set := range map[string]bool{
		"display_name": x.GetDisplayName() != "", "password": x.GetPassword() != "", "expire_time": x.GetExpireTime() != nil,
		"use_limit": x.GetUseLimit() != 0, "allowed_networks": len(x.GetAllowedNetworks()) > 0,
	} {
		if set {
			paths = append(paths, path)
		}
	}
	return paths
}

// Share returns a share as its owner sees it: neither token nor password.
func Share(s share.Share) *storagev1.Share {
	return &storagev1.Share{
		Id: s.ID, AccountId: s.AccountID, Bucket: s.Bucket, BucketId: s.BucketID, DisplayName: s.DisplayName,
		Scope: shareScopes[s.Scope], Path: s.Path, State: shareStates[s.State], PasswordProtected: s.PasswordHash != "",
		ExpireTime: stamp(s.ExpireTime), UseLimit: s.UseLimit, UseCount: s.UseCount, AllowedNetworks: network.Spell(s.Networks),
		MaxUploadBytes: s.MaxUploadBytes, CreatorId: s.CreatorID, Etag: s.ETag(), CreateTime: stamp(s.CreatedAt),
		UpdateTime: stamp(s.UpdatedAt), RevokeTime: stamp(s.RevokedAt),
	}
}

func shareAccess(a share.Access) *storagev1.ShareAccess {
	return &storagev1.ShareAccess{
		Id: a.ID, ShareId: a.ShareID, Time: stamp(a.At), Address: a.Address, UserAgent: a.UserAgent, Outcome: shareOutcomes[a.Outcome], Key: a.Key,
	}
}

var shareScopes = map[share.Scope]storagev1.ShareScope{
	share.Object: storagev1.ShareScope_SHARE_SCOPE_OBJECT,
	share.Prefix: storagev1.ShareScope_SHARE_SCOPE_PREFIX,
	share.Upload: storagev1.ShareScope_SHARE_SCOPE_UPLOAD,
}

func scopeOf(wire storagev1.ShareScope) share.Scope {
	for scope, w := range shareScopes {
		if w == wire {
			return scope
		}
	}
	return ""
}

var shareStates = map[share.State]storagev1.ShareState{
	share.Active:  storagev1.ShareState_SHARE_STATE_ACTIVE,
	share.Expired: storagev1.ShareState_SHARE_STATE_EXPIRED,
	share.UsedUp:  storagev1.ShareState_SHARE_STATE_USED_UP,
	share.Revoked: storagev1.ShareState_SHARE_STATE_REVOKED,
}

var shareOutcomes = map[share.Outcome]storagev1.ShareAccess_Outcome{
	share.Shown:           storagev1.ShareAccess_OUTCOME_SHOWN,
	share.Downloaded:      storagev1.ShareAccess_OUTCOME_DOWNLOAD,
	share.Uploaded:        storagev1.ShareAccess_OUTCOME_UPLOAD,
	share.PasswordMissing: storagev1.ShareAccess_OUTCOME_PASSWORD_MISSING,
	share.PasswordWrong:   storagev1.ShareAccess_OUTCOME_PASSWORD_WRONG,
	share.PasswordLimited: storagev1.ShareAccess_OUTCOME_PASSWORD_LIMITED,
	share.WrongNetwork:    storagev1.ShareAccess_OUTCOME_NETWORK,
	share.WasExpired:      storagev1.ShareAccess_OUTCOME_EXPIRED,
	share.WasUsedUp:       storagev1.ShareAccess_OUTCOME_USED_UP,
	share.WasRevoked:      storagev1.ShareAccess_OUTCOME_REVOKED,
	share.AccountStopped:  storagev1.ShareAccess_OUTCOME_ACCOUNT_STOPPED,
	share.BucketAway:      storagev1.ShareAccess_OUTCOME_BUCKET,
	share.ObjectNotFound:  storagev1.ShareAccess_OUTCOME_OBJECT_NOT_FOUND,
}

// timeOf returns a time of the wire; the zero time for none.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
