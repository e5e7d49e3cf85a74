package bucket

import (
	"fmt"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// Verdict is what a bucket as it was observed means for the one that is recorded.
type Verdict int

// The verdicts.
const (
	// Agrees is as wanted: nothing is to be done.
	Agrees Verdict = iota
	// IsMissing is wanted and not there.
	IsMissing
	// Differs is ours and not as wanted.
	Differs
	// Unmarked has no mark and stands under our reservation, of a name that we had seen
	// absent: it is ours if it is empty, from an attempt that died before its mark.
	Unmarked
	// Leftover is ours and not wanted any more.
	Leftover
	// Foreign is not ours. It is never touched.
	Foreign
)

// Judge compares what is recorded with what was observed. It is the only place that says
// what is ours.
func Judge(b Bucket, o Observed) Verdict {
	switch {
	case !o.Exists && b.Desired == Absent:
		return Agrees
	case !o.Exists:
		return IsMissing
	case o.Mark == b.Mark() && b.Desired == Absent:
		return Leftover
	case o.Mark == b.Mark() && b.Spec.MetBy(o.Spec):
		return Agrees
	case o.Mark == b.Mark():
		return Differs
	case o.Mark == (Mark{}) && !b.SeenAbsentAt.IsZero() && !b.Marked:
		return Unmarked
	default:
		return Foreign
	}
}

// differences lists in words how the observed bucket is not the recorded one.
func differences(b Bucket, o Observed) []drift.Difference {
	switch Judge(b, o) {
	case IsMissing:
		return []drift.Difference{{Kind: drift.Missing, Desired: "present", Observed: "absent"}}
	case Leftover:
		return []drift.Difference{{Kind: drift.Extra, Desired: "absent", Observed: "present"}}
	case Foreign, Unmarked:
		if b.Desired == Absent || !b.Marked {
			return []drift.Difference{{Kind: drift.Extra, Field: "mark", Desired: "no bucket of this name", Observed: "a bucket without our mark"}}
		}
		return []drift.Difference{drift.Differs("mark", "our mark", "another mark or none")}
	case Differs:
		return specDifferences(b.Spec, o.Spec)
	default:
		return nil
	}
}

func specDifferences(want, have Spec) []drift.Difference {
	var found []drift.Difference
	if !want.versioningMetBy(have) {
		found = append(found, drift.Differs("versioning", string(want.Versioning), string(have.Versioning)))
	}
	if want.QuotaBytes != have.QuotaBytes {
		found = append(found, drift.Differs("quota_bytes", inBytes(want.QuotaBytes), inBytes(have.QuotaBytes)))
	}
	if !slices.Equal(want.Lifecycle, have.Lifecycle) {
		found = append(found, drift.Differs("lifecycle_rules", inRules(want.Lifecycle), inRules(have.Lifecycle)))
	}
	return found
}

func inBytes(n int64) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d bytes", n)
}

func inRules(rules []Rule) string {
	if len(rules) == 0 {
		return "none"
	}
	words := make([]string, 0, len(rules))
	for _, r := range rules {
		text := fmt.Sprintf("%s: prefix %q, expire %d, noncurrent %d", r.ID, r.Prefix, r.ExpireAfterDays, r.ExpireNoncurrentAfterDays)
		if r.Disabled {
			text += ", disabled"
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}
