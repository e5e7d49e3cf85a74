package object

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// recordWithin is how long the end of an act may take to record, whatever the caller does.
const recordWithin = 5 * time.Second

// deed is one act upon objects as the trail tells it.
type deed struct {
	// verb is what follows "object.".
	verb     string
	account  string
	bucket   bucket.Bucket
	severity audit.Severity
	// what says to which objects; several entries when one would grow too long.
	what []map[string]any
}

func (d deed) entry(outcome audit.Outcome, after map[string]any) audit.Entry {
	return audit.Entry{
		AccountID: d.account, Action: "object." + d.verb, Severity: d.severity, Outcome: outcome,
		Target: audit.Target{Kind: bucket.Kind, ID: d.bucket.ID, Name: d.bucket.Name}, After: after,
	}
}

// act records that something begins, does it, and records how it ended. What is in a bucket
// only the backend keeps, so there is no row to change in one transaction with the entry: the
// beginning is recorded before the backend is asked, and a beginning without an end says that
// we died in between. When the end cannot be recorded, the caller is told that the outcome is
// unknown: every act may be repeated.
func (s *Service) act(ctx context.Context, d deed, do func(context.Context) (map[string]any, error)) error {
	for _, what := range d.what {
		if err := s.Trail.Record(ctx, d.entry(audit.Started, what)); err != nil {
			return err
		}
	}
	told, failure := do(ctx)
	end := d.entry(audit.Succeeded, told)
	if told == nil {
		end.After = d.what[0]
	}
	if failure != nil {
		end.Outcome, end.Reason, end.Severity = audit.Failed, errs.ReasonOf(failure), audit.Warning
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if err := s.Trail.Record(ctx, end); err != nil {
		return change.ErrOutcomeUnknown.Wrap(err)
	}
	return failure
}

// described is an object as the trail shows it.
func (r Ref) described() map[string]any {
	told := map[string]any{"key": r.Key}
	if r.VersionID != "" {
		told["version_id"] = r.VersionID
	}
	return told
}
