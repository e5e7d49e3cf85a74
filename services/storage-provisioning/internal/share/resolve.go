package share

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/network"
	account "github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Asked is what somebody with a link asks for.
type Asked struct {
	// Token and Password are what they show.
	Token, Password string
	// Key is of an object, relative to the prefix of the share.
	Key string
	// UploadName and UploadSize are name and bytes of an upload.
	UploadName string
	UploadSize int64
	// Size and Page are of a list.
	Size int32
	Page string
}

// Resolved is what a link leads to.
type Resolved struct {
	// Share is whose link it is.
	Share Share
	// Objects are a page of what stands below the prefix, by relative key; Next is the token
	// of the next page.
	Objects []Found
	Next    string
	// Download is a URL, where one was asked for.
	Download *Download
	// Upload is a URL, where one was asked for.
	Upload *SignedUpload
	// Endpoint is where uploads go, of a share for them.
	Endpoint string
}

// Download is a URL to get an object.
type Download struct {
	// Name is the file name to save it under.
	Name string
	// URL is a secret until ExpireTime.
	URL        string
	ExpireTime time.Time
}

// SignedUpload is a URL to put a new object.
type SignedUpload struct {
	// Key is relative to the prefix.
	Key string
	object.Signed
}

// visit is one use of a link under way.
type visit struct {
	share Share
	asked Asked
	// place is where the share's bucket is, once that is known.
	place place
}

// place is where a bucket lives, and the account's identity there.
type place struct {
	backend  Backend
	endpoint string
	identity principal.Principal
}

func (p place) login() object.Login {
	return object.Login{User: p.identity.User, Secret: p.identity.UserSecret}
}

// Resolve answers whoever has a link.
func (s *Service) Resolve(ctx context.Context, asked Asked) (Resolved, error) {
	hash, ok := hashOf(asked.Token)
	if !ok {
		return Resolved{}, ErrNotFound
	}
	found, ok, err := s.Store.ByToken(ctx, hash)
	switch {
	case err != nil:
		return Resolved{}, err
	case !ok:
		return Resolved{}, ErrNotFound
	}
	v := &visit{share: found, asked: asked}
	refusal, err := s.judge(ctx, v)
	if err != nil {
		return Resolved{}, err
	}
	if refusal != "" {
		return Resolved{}, s.refuse(ctx, v, refusal, "", ErrNotFound)
	}
	if err := s.unlock(ctx, v); err != nil {
		return Resolved{}, err
	}
	switch {
	case found.Scope == Upload && asked.UploadName == "":
		return Resolved{Share: found, Endpoint: v.place.endpoint}, s.log(ctx, found, Shown, "")
	case found.Scope == Upload:
		return s.upload(ctx, v)
	case found.Scope == Prefix && asked.Key == "":
		return s.list(ctx, v)
	default:
		return s.download(ctx, v)
	}
}

// judge returns why a link leads nowhere, or "", and where its bucket is.
func (s *Service) judge(ctx context.Context, v *visit) (Outcome, error) {
	if refusal := ended(v.share.stateAt(s.Clock.Now())); refusal != "" {
		return refusal, nil
	}
	if !network.Admit(v.share.Networks, account.FromContext(ctx).Address) {
		return WrongNetwork, nil
	}
	stands, err := s.Standings.Of(ctx, v.share.AccountID)
	if err != nil {
		return "", err
	}
	if stands.Stopped() || stands.WritesStopped && v.share.Scope == Upload {
		return AccountStopped, nil
	}
	b, ok, err := s.Buckets.Get(ctx, v.share.AccountID, v.share.Bucket)
	if err != nil {
		return "", err
	}
	if !ok || b.ID != v.share.BucketID || b.State == bucket.Creating || b.State == bucket.Deleting || !b.Reachable() {
		return BucketAway, nil
	}
	if v.place.backend, v.place.endpoint, err = s.Backends.Shared(b.Backend); err != nil {
		return "", err
	}
	v.place.identity, err = s.Principals.Identity(ctx, v.share.AccountID, b.Backend)
	return "", err
}

// ended returns the refusal that follows from a state, or "".
func ended(state State) Outcome {
	switch state {
	case Expired:
		return WasExpired
	case UsedUp:
		return WasUsedUp
	case Revoked:
		return WasRevoked
	default:
		return ""
	}
}

// unlock holds the password against the share's, if it has one. A try is counted before it
// is compared, so that many at once are not more than allowed.
func (s *Service) unlock(ctx context.Context, v *visit) error {
	if v.share.PasswordHash == "" {
		return nil
	}
	if v.asked.Password == "" {
		return s.refuse(ctx, v, PasswordMissing, "", ErrPasswordMissing)
	}
	from := guesser(account.FromContext(ctx).Address)
	if wait, err := s.try(ctx, v.share, from); err != nil {
		return err
	} else if wait > 0 {
		return s.refuse(ctx, v, PasswordLimited, "", ErrPasswordLimited.WithRetryAfter(wait))
	}
	right, err := s.passwords.right(ctx, v.asked.Password, v.share.PasswordHash)
	switch {
	case err != nil:
		return err
	case !right:
		return s.refuse(ctx, v, PasswordWrong, "", ErrPasswordWrong)
	}
	return s.Store.InAccount(ctx, v.share.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.Shares.Untry(ctx, v.share.ID, from, everybody)
	})
}

// everybody is the address that all tries of a share are counted for.
const everybody = ""

// try counts a try, and returns how long to wait when there were too many.
func (s *Service) try(ctx context.Context, of Share, from string) (wait time.Duration, err error) {
	err = s.Store.InAccount(ctx, of.AccountID, func(ctx context.Context, tx Tx) error {
		wait = 0
		now := s.now()
		// In one order, and so that what is refused to one counts for nobody else.
		for _, limit := range []struct {
			address string
			most    int
		}{{from, wrongOfOne}, {everybody, wrongOfAll}} {
			count, began, err := tx.Shares.Try(ctx, of, limit.address, now, now.Add(-passwordWindow))
			if err != nil {
				return err
			}
			if count > limit.most {
				wait = max(began.Add(passwordWindow).Sub(now), time.Second)
				return nil
			}
		}
		return nil
	})
	return wait, err
}

// list shows a page of what stands below a prefix.
func (s *Service) list(ctx context.Context, v *visit) (Resolved, error) {
	found, next, err := s.page(ctx, v)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{Share: v.share, Objects: found, Next: next}, s.log(ctx, v.share, Shown, "")
}

// download hands out a URL for one object.
func (s *Service) download(ctx context.Context, v *visit) (Resolved, error) {
	key := v.share.Path
	if v.share.Scope == Prefix {
		key += v.asked.Key
	}
	if checkKey("key", key) != nil {
		return Resolved{}, s.refuse(ctx, v, ObjectNotFound, key, ErrObjectNotFound)
	}
	_, err := v.place.backend.Stat(ctx, v.place.login(), v.share.Bucket, object.Ref{Key: key})
	switch {
	case errors.Is(err, object.ErrNotFound):
		return Resolved{}, s.refuse(ctx, v, ObjectNotFound, key, ErrObjectNotFound)
	case err != nil:
		return Resolved{}, err
	}
	signed, err := v.place.backend.PresignDownload(ctx, s.signing(v, key))
	if err != nil {
		return Resolved{}, err
	}
	if err := s.use(ctx, v, Downloaded, key); err != nil {
		return Resolved{}, err
	}
	return Resolved{Share: v.share, Download: &Download{Name: fileName(key), URL: signed.URL, ExpireTime: signed.ExpireTime}}, nil
}

// upload hands out a URL for a new object.
func (s *Service) upload(ctx context.Context, v *visit) (Resolved, error) {
	if err := checkUploadName(v.asked.UploadName); err != nil {
		return Resolved{}, err
	}
	if most := v.share.maxUpload(); v.asked.UploadSize > most {
		return Resolved{}, invalid("upload_size", "RANGE", fmt.Sprintf("%d bytes is the most that is taken", most))
	}
	name := newName(v.asked.UploadName)
	put, err := s.put(v, v.share.Path+name)
	if err != nil {
		return Resolved{}, err
	}
	coming := quota.Upload{
		AccountID: v.share.AccountID, BucketID: v.share.BucketID, Key: put.Key, Size: put.Size, Lifetime: put.Lifetime,
	}
	reserved, err := s.Quota.Reserve(ctx, coming)
	switch {
	case errs.ReasonOf(err) == ErrFull.Reason():
		return Resolved{}, ErrFull // how much the account has is not for everybody
	case err != nil:
		return Resolved{}, err
	}
	signed, err := v.place.backend.PresignUpload(ctx, put)
	if err == nil {
		// Whoever sends the content says its length anyhow, and a browser lets nobody else.
		delete(signed.Headers, "Content-Length")
		err = s.use(ctx, v, Uploaded, put.Key)
	}
	if err != nil {
		return Resolved{}, errors.Join(err, s.Quota.Release(ctx, reserved))
	}
	return Resolved{Share: v.share, Upload: &SignedUpload{Key: name, Signed: signed}, Endpoint: v.place.endpoint}, nil
}

// use counts a use and records it, in one transaction, before anything is handed out. What
// has ended since it was judged is refused here.
func (s *Service) use(ctx context.Context, v *visit, outcome Outcome, key string) error {
	var refusal Outcome
	err := s.Store.InAccount(ctx, v.share.AccountID, func(ctx context.Context, tx Tx) error {
		refusal = ""
		count, ok, err := tx.Shares.Use(ctx, v.share.ID, s.now())
		if err != nil {
			return err
		}
		if !ok {
			return s.lost(ctx, tx, v, &refusal)
		}
		v.share.UseCount = count
		if err := tx.Shares.Log(ctx, s.entry(ctx, v.share, outcome, key)); err != nil {
			return err
		}
		return tx.Record.Audit(ctx, audit.Entry{
			Action: Kind + "." + strings.ToLower(string(outcome)), Severity: audit.Info, Outcome: audit.Succeeded, AccountID: v.share.AccountID,
			Target: target(v.share), After: map[string]any{"bucket": v.share.Bucket, "key": key, "use_count": count},
		})
	})
	if err == nil && refusal != "" {
		err = ErrNotFound
	}
	return err
}

// lost finds out why a share cannot be used any more, and logs it.
func (s *Service) lost(ctx context.Context, tx Tx, v *visit, refusal *Outcome) error {
	*refusal = WasRevoked
	now, ok, err := tx.Shares.Find(ctx, v.share.AccountID, v.share.ID)
	if err != nil || !ok {
		return err // gone with its bucket
	}
	if why := ended(now.stateAt(s.Clock.Now())); why != "" {
		*refusal = why
	}
	return tx.Shares.Log(ctx, s.entry(ctx, v.share, *refusal, ""))
}

// refuse logs why, and returns the refusal. A wrong password stands in the audit trail too.
func (s *Service) refuse(ctx context.Context, v *visit, why Outcome, key string, refusal error) error {
	err := s.Store.InAccount(ctx, v.share.AccountID, func(ctx context.Context, tx Tx) error {
		if err := tx.Shares.Log(ctx, s.entry(ctx, v.share, why, key)); err != nil || why != PasswordWrong {
			return err
		}
		return tx.Record.Audit(ctx, audit.Entry{
			Action: Kind + ".resolve", Severity: audit.Warning, Outcome: audit.Denied, Reason: ErrPasswordWrong.Reason(),
			AccountID: v.share.AccountID, Target: target(v.share),
		})
	})
	if err != nil {
		return err
	}
	return refusal
}

// log writes an entry of the access log.
func (s *Service) log(ctx context.Context, of Share, outcome Outcome, key string) error {
	return s.Store.InAccount(ctx, of.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.Shares.Log(ctx, s.entry(ctx, of, outcome, key))
	})
}

// entry is an entry of the access log about the present call.
func (s *Service) entry(ctx context.Context, of Share, outcome Outcome, key string) Access {
	who, now := account.FromContext(ctx), s.now()
	return Access{
		ID: id.New("sha", now), AccountID: of.AccountID, ShareID: of.ID, At: now, Address: who.Address, UserAgent: who.UserAgent,
		Outcome: outcome, Key: strings.ReplaceAll(strings.ToValidUTF8(key, "?"), "\x00", "?"),
	}
}
