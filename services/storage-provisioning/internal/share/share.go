// Package share is the concept of a public link: whoever has it reaches one object, what
// stands below a prefix, or uploads below a prefix, without a login.
//
// It owns shares, their tokens and passwords, their use limits and their access logs, and
// decides what a link is answered. It states the ports it needs and knows no database,
// wire or backend.
//
// Guarantees: a token has 260 random bits, is shown once and kept as a hash; a use is
// counted and logged before the URL is handed out, in one statement that nobody overtakes,
// so that a limit is exact; a revoked share is refused from the moment of the answer, and
// URLs that were handed out before end by themselves (DownloadLifetime, UploadLifetime); an
// upload is a new object with random characters in its key, so that it overwrites nothing;
// wrong passwords are limited by address and in all, and counted before they are compared.
//
// A link that leads nowhere is answered alike, whatever the reason; the access log tells the
// owner which it was.
package share

import (
	"cmp"
	"net/netip"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Kind is the kind of a share in events and in the audit trail.
const Kind = "share"

// How long a URL works that a link led to.
const (
	DownloadLifetime = time.Minute
	// UploadLifetime is until an upload must have begun: somebody has to choose a file.
	UploadLifetime = 5 * time.Minute
)

// Kept is how long ended shares, and entries of access logs, are kept.
const Kept = 90 * 24 * time.Hour

// Scope says what a link is for.
type Scope string

// The scopes.
const (
	// Object is for the download of one object.
	Object Scope = "OBJECT"
	// Prefix is for a list of what stands below a prefix, and its download.
	Prefix Scope = "PREFIX"
	// Upload is for new objects below a prefix.
	Upload Scope = "UPLOAD"
)

// State says where a share stands.
type State string

// The states.
const (
	Active  State = "ACTIVE"
	Expired State = "EXPIRED"
	UsedUp  State = "USED_UP"
	Revoked State = "REVOKED"
)

// Outcome is how an access ended.
type Outcome string

// The outcomes; those from PasswordMissing on are refusals.
const (
	Shown           Outcome = "SHOWN"
	Downloaded      Outcome = "DOWNLOAD"
	Uploaded        Outcome = "UPLOAD"
	PasswordMissing Outcome = "PASSWORD_MISSING"
	PasswordWrong   Outcome = "PASSWORD_WRONG"
	PasswordLimited Outcome = "PASSWORD_LIMITED"
	WrongNetwork    Outcome = "NETWORK"
	WasExpired      Outcome = "EXPIRED"
	WasUsedUp       Outcome = "USED_UP"
	WasRevoked      Outcome = "REVOKED"
	AccountStopped  Outcome = "ACCOUNT_STOPPED"
	BucketAway      Outcome = "BUCKET"
	ObjectNotFound  Outcome = "OBJECT_NOT_FOUND"
)

// Share is a public link.
type Share struct {
	// ID is `shr_…`.
	ID string
	// AccountID is the account.
	AccountID string
	// BucketID and Bucket are id and name of the bucket.
	BucketID, Bucket string
	// DisplayName is shown to the owner and to whoever opens the link.
	DisplayName string
	// Scope says what it is for.
	Scope Scope
	// Path is the key of the object, or the prefix.
	Path string
	// PasswordHash is what HashPassword made; empty for none.
	PasswordHash string
	// ExpireTime is when it stops working; the zero time is never.
	ExpireTime time.Time
	// UseLimit is how many URLs it hands out at most, zero for any number; UseCount how many
	// it has.
	UseLimit, UseCount int64
	// Networks are where it may be used from; none is everywhere.
	Networks []netip.Prefix
	// MaxUploadBytes is the largest object to upload; zero for MaxUpload.
	MaxUploadBytes int64
	// CreatorID is who made it.
	CreatorID string
	// Version grows with every change of its owner.
	Version int64
	// CreatedAt and UpdatedAt are by our clock; RevokedAt is zero unless it was.
	CreatedAt, UpdatedAt, RevokedAt time.Time
	// State is where it stood when a use case returned it.
	State State
}

// seen returns the share with its state at a moment.
func (s Share) seen(now time.Time) Share {
	s.State = s.stateAt(now)
	return s
}

// ETag changes with every change of the owner.
func (s Share) ETag() string { return strconv.FormatInt(s.Version, 10) }

// stateAt returns where it stands at a moment.
func (s Share) stateAt(now time.Time) State {
	switch {
	case !s.RevokedAt.IsZero():
		return Revoked
	case !s.ExpireTime.IsZero() && !now.Before(s.ExpireTime):
		return Expired
	case s.UseLimit > 0 && s.UseCount >= s.UseLimit:
		return UsedUp
	default:
		return Active
	}
}

// maxUpload returns the largest object that it takes, in bytes.
func (s Share) maxUpload() int64 { return cmp.Or(s.MaxUploadBytes, MaxUpload) }

// Access is one entry of an access log.
type Access struct {
	// ID is `sha_…`.
	ID string
	// AccountID and ShareID say whose.
	AccountID, ShareID string
	// At is when it was.
	At time.Time
	// Address and UserAgent are the client's.
	Address, UserAgent string
	// Outcome is how it ended.
	Outcome Outcome
	// Key is of the object that it was about; empty for none.
	Key string
}

// The refusals.
var (
	// ErrNotFound is for a share that the account does not have, and for a link that leads
	// nowhere, whatever the reason.
	ErrNotFound = errs.New(errs.NotFound, "SHARE_NOT_FOUND", "there is no such share; a link may have ended, ask whoever sent it")
	// ErrPasswordMissing asks for the password.
	ErrPasswordMissing = errs.New(errs.PermissionDenied, "SHARE_PASSWORD_MISSING", "this link asks for a password; give it")
	// ErrPasswordWrong is for another password than the share's.
	ErrPasswordWrong = errs.New(errs.PermissionDenied, "SHARE_PASSWORD_WRONG", "this is not the password of the link; give the right one")
	// ErrPasswordLimited is for whoever guesses.
	ErrPasswordLimited = errs.New(errs.ResourceExhausted, "SHARE_PASSWORD_LIMITED",
		"there were too many wrong passwords for this link; wait as long as is said")
	// ErrObjectNotFound is for a key that is not below the share.
	ErrObjectNotFound = errs.New(errs.NotFound, "SHARE_OBJECT_NOT_FOUND", "there is no such object below this link; list what there is")
	// ErrRevoked refuses to change a revoked share.
	ErrRevoked = errs.New(errs.FailedPrecondition, "SHARE_REVOKED", "the share was revoked, which is for good; make another one")
	// ErrFull is for an upload that does not fit into the account's storage limit.
	ErrFull = errs.New(errs.ResourceExhausted, "QUOTA_EXCEEDED", "there is no room for this upload; tell whoever sent the link")
	// ErrETagMismatch refuses a change of what the caller has not seen.
	ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH", "the share changed since it was read; read it again and retry")

	errInvalid      = errs.New(errs.InvalidArgument, "SHARE_INVALID", "a share cannot be like this; see the violations")
	errNotUpdatable = errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE",
		"only display_name, password, expire_time, use_limit and allowed_networks can be changed")
)

// NotUpdatable refuses a field of the update mask by its name.
func NotUpdatable(path string) error {
	return errNotUpdatable.WithViolation(errs.Violation{
		Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask",
	})
}

// invalid refuses one field.
func invalid(field, rule, ask string) *errs.Error {
	return errInvalid.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
}
