package minio

import (
	"context"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

const (
	// sessionLife is how long kept credentials live: the longest URL with them, and a while in
	// which others are signed with them too.
	sessionLife = 75 * time.Minute
	// maxSessions bounds how many are kept: some 4 KiB each.
	maxSessions = 4096
)

// session is temporary credentials.
type session struct {
	credentials.Value
	ends time.Time
}

func (s session) keys() *credentials.Credentials {
	return credentials.NewStaticV4(s.AccessKeyID, s.SecretAccessKey, s.SessionToken)
}

// sessions keeps temporary credentials by what they were asked for with: the account's user and
// the very policy, so that none serves for another account or another object. They are in memory
// alone. When the user is disabled they stop, wherever they are kept.
type sessions struct {
	mu   sync.Mutex
	kept map[sessionScope]session
}

type sessionScope struct{ user, secret, policy string }

func scopeKey(s object.Scope) sessionScope {
	return sessionScope{user: s.User, secret: s.Secret, policy: string(s.Policy)}
}

// get returns credentials that outlive the lifetime.
func (s *sessions) get(ctx context.Context, b *Backend, scope object.Scope, lifetime time.Duration) (session, error) {
	s.mu.Lock()
	had, ok := s.kept[scopeKey(scope)]
	s.mu.Unlock()
	if ok && time.Until(had.ends) >= lifetime+sessionMargin {
		return had, nil
	}
	return s.renew(ctx, b, scope)
}

// renew gets new ones and keeps them.
func (s *sessions) renew(ctx context.Context, b *Backend, scope object.Scope) (session, error) {
	if len(scope.Policy) == 0 {
		// Without one, the credentials could do what the user can.
		return session{}, errRejected.WithMessage("an upload needs a session policy")
	}
	got, err := b.assume(ctx, scope, sessionLife)
	if err != nil {
		return session{}, err
	}
	made := session{Value: got, ends: time.Now().Add(sessionLife)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[sessionScope]session{}
	}
	if len(s.kept) >= maxSessions {
		s.makeRoom()
	}
	s.kept[scopeKey(scope)] = made
	return made, nil
}

// makeRoom drops what has ended, and else any one: whoever needs it gets another.
func (s *sessions) makeRoom() {
	now := time.Now()
	for key, one := range s.kept {
		if one.ends.Before(now.Add(sessionMargin)) {
			delete(s.kept, key)
		}
	}
	for key := range s.kept {
		if len(s.kept) < maxSessions {
			return
		}
		delete(s.kept, key)
	}
}
