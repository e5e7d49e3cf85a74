package invitation

import (
	"context"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// tell records a change and publishes it.
func tell(ctx context.Context, tx unit.Work, verb, past string, before *Invitation, after Invitation) error {
	if err := record(ctx, tx, verb, before, after); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: past, AccountID: after.AccountID, ID: after.ID, Version: after.Version, Snapshot: after,
	})
}

// record writes the audit entry alone: a token that is made changes nothing that anybody sees.
func record(ctx context.Context, tx unit.Work, verb string, before *Invitation, after Invitation) error {
	entry := audit.Entry{
		AccountID: after.AccountID,
		Action:    Kind + "." + verb,
		Severity:  audit.Notice,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: after.ID, Name: after.Email},
		After:     after.describe(),
	}
	if before != nil {
		entry.Before = before.describe()
	}
	return tx.Audit(ctx, entry)
}

func (i Invitation) describe() map[string]any {
	described := map[string]any{
		"email": i.Email, "role": string(i.Role), "state": string(i.State), "inviter_id": i.InviterID,
		"delivery": int64(i.Delivery), "expire_time": i.ExpireTime.Format(time.RFC3339),
	}
	if i.AcceptUserID != "" {
		described["accept_user_id"] = i.AcceptUserID
	}
	if len(i.Grants) > 0 {
		grants := make([]map[string]any, len(i.Grants))
		for n, g := range i.Grants {
			grants[n] = map[string]any{"bucket_id": g.BucketID, "access_level": g.AccessLevel}
			if len(g.Prefixes) > 0 {
				grants[n]["prefixes"] = strings.Join(g.Prefixes, " ")
			}
		}
		described["grants"] = grants
	}
	return described
}
