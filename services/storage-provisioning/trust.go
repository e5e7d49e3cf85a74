package storage

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// trust is how the service knows whom to believe: keys and revocations from identity, and
// a decision on each token without asking anybody.
type trust struct {
	keys         *token.RemoteKeys
	view         *revoke.View
	authenticate func(ctx context.Context, bearer string) (principal.Principal, error)
	// conn is the connection to identity, if it is our own.
	conn io.Closer
}

func newTrust(s *Service) (*trust, error) {
	c, d := s.config, s.deps
	t := &trust{}
	identity := d.Identity
	if identity == nil {
		conn, err := dialIdentity(c, d)
		if err != nil {
			return nil, err
		}
		identity, t.conn = conn, conn
	}
	source := source{identityv1.NewTokenServiceClient(identity)}
	t.keys = token.NewRemoteKeys(token.RemoteKeysConfig{
		Fetch: source.keys, CacheFile: c.KeyCache, Clock: d.Clock, Logger: d.Telemetry.Logger,
	})
	t.view = revoke.NewView(revoke.Config{Fetch: source.revocations, Clock: d.Clock, Logger: d.Telemetry.Logger})
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: c.TokenIssuer, Audience: c.TokenAudience, Clock: d.Clock, Keys: t.keys,
	})
	if err != nil {
		return nil, err
	}
	t.authenticate = revoke.Authenticator(verifier, t.view)
	return t, nil
}

// snapshotBytes is how long a list of revocations may be: half a million of them. Refusing a
// longer list than other answers have would leave every replica that starts without it.
const snapshotBytes = 64 << 20

func dialIdentity(c Config, d Deps) (*grpc.ClientConn, error) {
	return rpc.Dial(rpc.ClientConfig{
		Target: c.IdentityTarget, TLS: d.IdentityTLS, Service: Name, Timeout: 3 * time.Second, MaxMessageBytes: snapshotBytes,
	}, rpc.Deps{Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter})
}

// source asks identity.
type source struct{ client identityv1.TokenServiceClient }

func (s source) keys(ctx context.Context) ([]token.PublicKey, error) {
	response, err := s.client.GetKeySet(ctx, &identityv1.GetKeySetRequest{})
	if err != nil {
		return nil, err
	}
	keys := make([]token.PublicKey, 0, len(response.GetKeys()))
	for _, k := range response.GetKeys() {
		key, err := token.NewPublicKey(k.GetKid(), k.GetX())
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

var revocationKinds = map[identityv1.RevocationKind]revoke.Kind{
	identityv1.RevocationKind_REVOCATION_KIND_SESSION:    revoke.Session,
	identityv1.RevocationKind_REVOCATION_KIND_API_KEY:    revoke.APIKey,
	identityv1.RevocationKind_REVOCATION_KIND_MEMBERSHIP: revoke.Membership,
	identityv1.RevocationKind_REVOCATION_KIND_ACCOUNT:    revoke.Account,
}

func (s source) revocations(ctx context.Context) (revoke.Snapshot, error) {
	response, err := s.client.GetRevocationSnapshot(ctx, &identityv1.GetRevocationSnapshotRequest{}, grpc.WaitForReady(false))
	if err != nil {
		return revoke.Snapshot{}, err
	}
	snapshot := revoke.Snapshot{Epoch: response.GetEpoch()}
	for _, r := range response.GetRevocations() {
		snapshot.Entries = append(snapshot.Entries, revoke.Entry{
			Epoch: r.GetEpoch(), Kind: revocationKinds[r.GetKind()], Subject: r.GetSubject(),
			RevokedAt: r.GetRevokeTime().AsTime(), ExpiresAt: r.GetExpireTime().AsTime(),
		})
	}
	return snapshot, nil
}
