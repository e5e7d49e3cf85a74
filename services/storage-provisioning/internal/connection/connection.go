// Package connection tries an account's endpoint with one of its keys, as a client would,
// and says in words what works and what is wrong.
//
// It guarantees: id and secret are used for this and neither kept nor repeated in what it
// says; a key that is not one of the account's is not tried at all, so that nobody learns
// anything of another's; nothing is changed.
package connection

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Step is one thing that was tried.
type Step struct {
	// Name is what: NETWORK, TLS, DOOR, CLOCK, ACCOUNT, KEY, SECRET or BUCKET.
	Name string
	// Passed says whether it went well, Message what was found, Remedy what to do about it.
	Passed          bool
	Message, Remedy string
}

// Report is how a test went.
type Report struct {
	// Endpoint is where.
	Endpoint string
	// Steps are in order; those after a failure are left out.
	Steps []Step
}

// Works says whether every step went well.
func (r Report) Works() bool {
	for _, s := range r.Steps {
		if !s.Passed {
			return false
		}
	}
	return len(r.Steps) > 0
}

// Summary is the whole in a sentence.
func (r Report) Summary() string {
	for _, s := range r.Steps {
		if !s.Passed {
			return s.Message
		}
	}
	return "the key works at " + r.Endpoint
}

// Reached is what an endpoint is like without a login.
type Reached struct {
	// Trouble is why it did not answer: NETWORK or TLS; empty when it did. Reason says more.
	Trouble, Reason string
	// Secure says that it speaks TLS.
	Secure bool
	// Door says that the door before the backend answered for itself.
	Door bool
	// Time is the endpoint's own; zero when it did not say.
	Time time.Time
}

// Attempt is a key tried on a bucket.
type Attempt struct{ ID, Secret, Bucket string }

// Prober tries the public endpoint of one backend. What goes wrong there is an answer and no
// error.
type Prober interface {
	// Reach asks without a login.
	Reach(ctx context.Context) (Reached, error)
	// Use asks with the key where the bucket is, and returns the code of the refusal: "" for
	// none, "UNREACHABLE" for no answer.
	Use(ctx context.Context, attempt Attempt) (code string, err error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Prober returns the prober of the backend of that name ("" is the default one) with its
	// public endpoint, and an error BACKEND_UNKNOWN for a name that is not configured.
	Prober(name string) (p Prober, endpoint string, err error)
}

// Record is what is known of an account.
type Record interface {
	// Keys returns all visible keys of the account, ids opened, without their secrets.
	Keys(ctx context.Context, accountID string) ([]accesskey.AccessKey, error)
	// Stopped says whether the account reaches nothing at present.
	Stopped(ctx context.Context, accountID string) (bool, error)
}

// Deps is what the use case needs.
type Deps struct {
	Backends Backends
	Record   Record
	Clock    clock.Clock
}

// Service is the use case.
type Service struct{ Deps }

// NewService returns the use case.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// Test is what to try.
type Test struct {
	AccountID  string
	ID, Secret string
	// Bucket is what to try it on, "" for any that it was granted; Backend is where, "" for the
	// key's own.
	Bucket, Backend string
}

// maxSkew is how far a clock may be off before signatures are refused.
const maxSkew = 15 * time.Minute

// Try runs the steps.
func (s *Service) Try(ctx context.Context, in Test) (Report, error) {
	keys, err := s.Record.Keys(ctx, in.AccountID)
	if err != nil {
		return Report{}, err
	}
	key, former, known := find(keys, in.ID)
	if known && in.Backend == "" {
		in.Backend = key.Backend
	}
	prober, endpoint, err := s.Backends.Prober(in.Backend)
	if err != nil {
		return Report{}, err
	}
	stopped, err := s.Record.Stopped(ctx, in.AccountID)
	if err != nil {
		return Report{}, err
	}
	reached, err := prober.Reach(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{Endpoint: endpoint, Steps: s.reaching(reached)}
	if !report.Works() {
		return report, nil
	}
	report.add(account(stopped))
	if report.Works() {
		report.add(s.key(key, former, known, in.Backend))
	}
	if !report.Works() {
		return report, nil
	}
	bucket := in.Bucket
	if bucket == "" {
		bucket = anyOf(key.Grants)
	}
	code, err := prober.Use(ctx, Attempt{ID: in.ID, Secret: in.Secret, Bucket: bucket})
	if err != nil {
		return Report{}, err
	}
	report.add(using(code)...)
	if report.Works() {
		report.add(onBucket(key, bucket, code))
	}
	return report, nil
}

func (r *Report) add(steps ...Step) { r.Steps = append(r.Steps, steps...) }

// find returns the account's key with that id; former says that the id is the one before its
// last rotation.
func find(keys []accesskey.AccessKey, id string) (k accesskey.AccessKey, former, ok bool) {
	for _, k := range keys {
		if k.KeyID == id || (k.FormerKeyID != "" && k.FormerKeyID == id) {
			return k, k.KeyID != id, true
		}
	}
	return accesskey.AccessKey{}, false, false
}

// anyOf returns a bucket that was granted by name, or "".
func anyOf(grants []policy.Grant) string {
	for _, g := range grants {
		if !policy.IsPattern(g.Bucket) {
			return g.Bucket
		}
	}
	return ""
}

// reaching are the steps before a login.
func (s *Service) reaching(r Reached) []Step {
	if r.Trouble == "NETWORK" {
		return []Step{{"NETWORK", false, "the endpoint cannot be reached: " + r.Reason, "check the address, the port and any firewall between; try again later"}}
	}
	steps := []Step{{"NETWORK", true, "the endpoint answers", ""}}
	switch {
	case r.Trouble == "TLS":
		return append(steps, Step{"TLS", false, "its certificate is not accepted: " + r.Reason, "have the operator renew it, or trust the authority that it comes from"})
	case r.Secure:
		steps = append(steps, Step{"TLS", true, "its certificate is accepted", ""})
	default:
		steps = append(steps, Step{"TLS", true, "it speaks plain http: whoever can read the line can read the content", ""})
	}
	if r.Door {
		steps = append(steps, Step{"DOOR", true, "the door before the storage answers", ""})
	} else {
		steps = append(steps, Step{"DOOR", true, "there is no door before this storage", ""})
	}
	if r.Time.IsZero() {
		return steps
	}
	skew := s.Clock.Now().Sub(r.Time).Abs().Round(time.Second)
	if skew > maxSkew {
		return append(steps, Step{"CLOCK", false, fmt.Sprintf("the endpoint's clock and ours are %s apart", skew), "have the operator set the clocks: signatures are refused beyond 15 minutes"})
	}
	return append(steps, Step{"CLOCK", true, fmt.Sprintf("the endpoint's clock is %s from ours; a client is refused whose own is off by more than 15 minutes", skew), ""})
}

func account(stopped bool) Step {
	if stopped {
		return Step{"ACCOUNT", false, "the account is not in use (suspended, closing or waiting), so that its keys reach nothing", "settle what led to it; the keys then work as before"}
	}
	return Step{"ACCOUNT", true, "the account is in use", ""}
}

// key says how the key is on record.
func (s *Service) key(k accesskey.AccessKey, former, known bool, backend string) Step {
	fail := func(message, remedy string) Step { return Step{"KEY", false, message, remedy} }
	now := s.Clock.Now()
	switch {
	case !known:
		return fail("the account has no key of this access key id", "compare it with the list of keys: it has 20 capital letters and digits and no blanks around it")
	case backend != k.Backend:
		return fail("the key belongs to the backend "+k.Backend, "use it there, or make a key here")
	case former && !k.FormerEnd.After(now):
		return fail("the key was rotated, and the overlap is over", "use the credentials of the last rotation")
	case k.Disabled:
		return fail("the key is switched off", "switch it on again")
	case !k.ExpireTime.IsZero() && !k.ExpireTime.After(now):
		return fail("the key has ended", "make another")
	case k.State == accesskey.Lost:
		return fail("the backend has lost the key", "delete it and make another")
	case k.State == accesskey.Deleting:
		return fail("the key is being deleted", "make another")
	case former:
		return Step{"KEY", true, "the key was rotated: these credentials work until " + k.FormerEnd.UTC().Format(time.RFC3339), ""}
	default:
		return Step{"KEY", true, "it is one of the account's keys, and switched on", ""}
	}
}

// using says how the login went.
func using(code string) []Step {
	good := Step{"SECRET", true, "the secret is right", ""}
	switch code {
	case "UNREACHABLE":
		return []Step{{"DOOR", false, "the storage behind the endpoint does not answer", "try again later"}}
	case "ServiceUnavailable", "SlowDown", "XMinioServerNotInitialized":
		return []Step{{"DOOR", false, "the storage behind the door does not answer", "try again later"}}
	case "InvalidAccessKeyId":
		return []Step{{"KEY", false, "the endpoint does not know the key, though it is on record", "try again in a moment; if it stays so, rotate the key"}}
	case "SignatureDoesNotMatch":
		return []Step{{"SECRET", false, "the secret is wrong", "copy it again, whole and without blanks; if it is lost, rotate the key"}}
	case "RequestTimeTooSkewed":
		return []Step{{"CLOCK", false, "the endpoint's clock is too far off", "have the operator set the clocks"}}
	case "", "AccessDenied", "NoSuchBucket":
		return []Step{good}
	default:
		return []Step{{"SECRET", false, "the endpoint refuses the request (" + code + ")", "show this to the operator"}}
	}
}

// onBucket says what the key may do with the bucket.
func onBucket(k accesskey.AccessKey, bucket, code string) Step {
	var may []string
	for _, g := range k.Grants {
		if bucket != "" && policy.Matches(g.Bucket, bucket) {
			may = append(may, strings.TrimSpace(string(g.Permission)+" "+g.Prefix))
		}
	}
	where := "the bucket " + bucket
	switch {
	case bucket == "":
		return Step{"BUCKET", true, "no bucket was named, and the key has none by name", ""}
	case len(may) == 0:
		return Step{"BUCKET", false, where + " was not granted to the key", "change its grants, or use another key"}
	case code == "NoSuchBucket":
		return Step{"BUCKET", false, where + " is not there", "check its name"}
	case code == "AccessDenied" && len(k.Networks) > 0:
		return Step{"BUCKET", true, where + " is granted (" + strings.Join(may, ", ") + ") from " + strings.Join(k.Networks, ", ") + " alone, where this test does not come from", ""}
	case code == "AccessDenied":
		return Step{"BUCKET", false, where + " is granted and yet refused: it may be gone, or being removed", "check that the account has it"}
	default:
		return Step{"BUCKET", true, where + " is granted: " + strings.Join(may, ", "), ""}
	}
}
