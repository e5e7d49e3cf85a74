package drift

import (
	"context"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Difference is one way in which a backend is not as wanted.
type Difference struct {
	Kind Kind
	// Field is the field that differs; empty for the whole.
	Field string
	// Desired and Observed are the two sides in words, without secrets.
	Desired, Observed string
}

// Differs returns a difference in a field of something that is there.
func Differs(field, desired, observed string) Difference {
	return Difference{Kind: Different, Field: field, Desired: desired, Observed: observed}
}

// Subject is the resource that differs.
type Subject struct {
	// AccountID is the account concerned; empty for what belongs to nobody known.
	AccountID string
	// Kind and ID are the resource's; Name is its name, unless that is a secret.
	Kind, ID, Name string
	// Target is the resource as the audit trail shows it.
	Target audit.Target
}

// Auditor writes the audit trail.
type Auditor interface {
	// Audit records what was done, by whoever ctx says.
	Audit(ctx context.Context, entry audit.Entry) error
}

// Log keeps differences, in one transaction.
type Log struct {
	Rows  Rows
	Audit Auditor
	Now   time.Time
}

// Record keeps differences of the subject. What is news is in the audit trail too.
func (l Log) Record(ctx context.Context, s Subject, found ...Difference) error {
	for _, d := range found {
		fresh, err := l.Rows.Record(ctx, New(l.Now, Finding{
			AccountID: s.AccountID, ResourceKind: s.Kind, ResourceID: s.ID, ResourceName: s.Name,
			Kind: d.Kind, Field: d.Field, Desired: d.Desired, Observed: d.Observed,
		}))
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		if err := l.Audit.Audit(ctx, audit.Entry{
			Action: s.Kind + ".drift", Severity: audit.Warning, Outcome: audit.Succeeded, Reason: string(d.Kind),
			Target: s.Target, AccountID: s.AccountID,
			Before: map[string]any{"field": d.Field, "value": d.Desired}, After: map[string]any{"field": d.Field, "value": d.Observed},
		}); err != nil {
			return err
		}
	}
	return nil
}

// ConditionType is the type of the condition that Condition returns.
const ConditionType = "Drifted"

// Condition says in words whether a difference was found: whole names the resource, and
// standing says that it was not repaired.
func Condition(found []Difference, whole string, standing bool) reconcile.Condition {
	c := reconcile.Condition{Type: ConditionType, Reason: "NONE_FOUND", Message: "no difference was found"}
	if len(found) == 0 {
		return c
	}
	d := found[0]
	field := d.Field
	if field == "" {
		field = whole
	}
	c.Status, c.Reason = standing, string(d.Kind)
	c.Message = fmt.Sprintf("%s: wanted %s, found %s", field, d.Desired, d.Observed)
	if !standing {
		c.Message += "; repaired"
	}
	return c
}
