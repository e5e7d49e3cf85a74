package grpcapi

import (
	"context"

	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
)

// Revocations reads the list of what ended before its tokens did.
type Revocations interface {
	// Since returns the entries after the epoch that still matter.
	Since(ctx context.Context, epoch int64) (revocation.Snapshot, error)
}

type tokens struct {
	identityv1.UnimplementedTokenServiceServer
	use         *apikey.APIKeys
	keys        *accesstoken.Keyring
	revocations Revocations
}

func (s *tokens) ExchangeApiKey(ctx context.Context, r *identityv1.ExchangeApiKeyRequest) (*identityv1.ExchangeApiKeyResponse, error) {
	exchanged, err := s.use.Exchange(ctx, apikey.Credentials{Secret: r.GetApiKey(), KeyID: r.GetApiKeyId(), Scopes: r.GetScopes()})
	if err != nil {
		return nil, err
	}
	return &identityv1.ExchangeApiKeyResponse{
		AccessToken: exchanged.Raw, ExpireTime: stamp(exchanged.ExpireTime), AccountId: exchanged.AccountID,
		Scopes: exchanged.Scopes,
	}, nil
}

func (s *tokens) GetKeySet(context.Context, *identityv1.GetKeySetRequest) (*identityv1.GetKeySetResponse, error) {
	response := &identityv1.GetKeySetResponse{}
	for _, k := range s.keys.PublicKeys() {
		response.Keys = append(response.Keys, &identityv1.PublicKey{
			Kid: k.ID, Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", X: k.X(),
		})
	}
	return response, nil
}

var revocationKinds = map[revocation.Kind]identityv1.RevocationKind{
	revocation.Session:    identityv1.RevocationKind_REVOCATION_KIND_SESSION,
	revocation.APIKey:     identityv1.RevocationKind_REVOCATION_KIND_API_KEY,
	revocation.Membership: identityv1.RevocationKind_REVOCATION_KIND_MEMBERSHIP,
	revocation.Account:    identityv1.RevocationKind_REVOCATION_KIND_ACCOUNT,
}

func (s *tokens) GetRevocationSnapshot(
	ctx context.Context, _ *identityv1.GetRevocationSnapshotRequest,
) (*identityv1.GetRevocationSnapshotResponse, error) {
	snapshot, err := s.revocations.Since(ctx, 0)
	if err != nil {
		return nil, err
	}
	snapshot = snapshot.Latest()
	response := &identityv1.GetRevocationSnapshotResponse{Epoch: snapshot.Epoch}
	for _, e := range snapshot.Entries {
		response.Revocations = append(response.Revocations, &identityv1.Revocation{
			Epoch: e.Epoch, Kind: revocationKinds[e.Kind], Subject: e.Subject,
			RevokeTime: stamp(e.RevokeTime), ExpireTime: stamp(e.ExpireTime),
		})
	}
	return response, nil
}
