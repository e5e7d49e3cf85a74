package bucket

import (
	"encoding/json"
	"fmt"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
)

// described is a bucket as the audit trail shows it.
func described(b Bucket) map[string]any {
	rules := make([]any, 0, len(b.Spec.Lifecycle))
	for _, r := range b.Spec.Lifecycle {
		rules = append(rules, r.String())
	}
	shown := map[string]any{
		"name": b.Name, "backend": b.Backend, "customer_reference": b.CustomerReference,
		fieldVersioning: string(b.Spec.Versioning), fieldQuota: fmt.Sprint(b.Spec.QuotaBytes), fieldRules: rules,
		fieldTags: inTags(b.Spec.Tags), "labels": inTags(b.Labels), fieldLock: b.Spec.Lock.String(),
		fieldEncryption: b.Spec.Encryption.String(), fieldPublic: b.Spec.Public.String(),
	}
	if b.note != "" {
		shown["reason"] = b.note
	}
	return shown
}

// publicAct makes an entry about a change of public access one of its own: opening is a
// warning, closing a notice.
func publicAct(entry *audit.Entry, was, now Spec) {
	if was.Public == now.Public {
		return
	}
	entry.Action = Kind + ".set_public_access"
	switch {
	case now.Public.Read || entry.Outcome == audit.Failed:
		entry.Severity = audit.Warning
	default:
		entry.Severity = audit.Notice
	}
}

// publicActOf is publicAct for the end of an operation.
func publicActOf(entry *audit.Entry, o operation.Operation, now Spec) error {
	if o.Previous == nil {
		return nil
	}
	var back previous
	if err := json.Unmarshal(o.Previous, &back); err != nil {
		return fmt.Errorf("decode what operation %s goes back to: %w", o.ID, err)
	}
	publicAct(entry, back.Spec, now)
	return nil
}
