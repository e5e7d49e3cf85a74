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
	// Adoptable is nobody's, and to be taken over as it is.
	Adoptable
	// NothingToAdopt was to be taken over and is not there. It is never made.
	NothingToAdopt
	// Taken carries our mark from a take-over that was given up.
	Taken
)

// Judge compares what is recorded with what was observed. It is the only place that says
// what is ours.
func Judge(b Bucket, o Observed) Verdict {
	switch {
	case b.Adopting && b.Desired == Absent && o.Exists && o.Mark == b.Mark():
		return Taken
	case !o.Exists && b.Desired == Absent, b.Adopting && b.Desired == Absent:
		return Agrees
	case b.Adopting && !o.Exists:
		return NothingToAdopt
	case b.Adopting && o.Mark == (Mark{}):
		return Adoptable
	case !o.Exists && b.State == Purging:
		return Agrees // it is to go anyway
	case !o.Exists:
		return IsMissing
	case o.Mark == b.Mark() && b.Desired == Absent:
		return Leftover
	case o.Mark == b.Mark() && b.Wanted().MetBy(o.Spec):
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
		return specDifferences(b.Wanted(), o.Spec)
	default:
		return nil
	}
}

// unforeseen leaves out what differs because something else is wanted since the backend was
// last seen as wanted: public access stops and comes back with the account.
func unforeseen(b Bucket, found []drift.Difference) []drift.Difference {
	if b.Generation == b.Observed {
		return found
	}
	return slices.DeleteFunc(found, func(d drift.Difference) bool { return d.Field == fieldPublic })
}

func specDifferences(want, have Spec) []drift.Difference {
	var found []drift.Difference
	if !want.versioningMetBy(have) {
		found = append(found, drift.Differs(fieldVersioning, string(want.Versioning), string(have.Versioning)))
	}
	if want.QuotaBytes != have.QuotaBytes {
		found = append(found, drift.Differs(fieldQuota, inBytes(want.QuotaBytes), inBytes(have.QuotaBytes)))
	}
	if rules := ForBackend(want.Lifecycle); !slices.EqualFunc(rules, have.Lifecycle, Rule.Equal) {
		found = append(found, drift.Differs(fieldRules, inRules(rules), inRules(have.Lifecycle)))
	}
	return append(found, settingDifferences(want, have)...)
}

func inBytes(n int64) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%d bytes", n)
}

func inRules(rules []Rule) string {
	if len(rules) == 0 {
		return none
	}
	words := make([]string, 0, len(rules))
	for _, r := range rules {
		words = append(words, r.String())
	}
	return strings.Join(words, "; ")
}

// String is the rule in words, for drift and the trail.
func (r Rule) String() string {
	text := fmt.Sprintf("%s: prefix %q, expire %d, noncurrent %d", r.ID, r.Prefix, r.ExpireAfterDays, r.ExpireNoncurrentAfterDays)
	for _, tag := range r.Tags {
		text += fmt.Sprintf(", tag %q=%q", tag.Key, tag.Value)
	}
	for _, more := range []struct {
		word string
		n    int64
	}{
		{"larger than", r.SizeGreaterThan},
		{"smaller than", r.SizeLessThan},
		{"keep newer", int64(r.KeepNewer)},
		{"abort uploads", int64(r.AbortAfterDays)},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %s %d", more.word, more.n)
		}
	}
	if r.ExpireMarkers {
		text += ", expire delete markers"
	}
	if r.Tier != "" {
		text += fmt.Sprintf(", to %s after %d", r.Tier, r.TransitionAfterDays)
	}
	if r.Disabled {
		text += ", disabled"
	}
	return text
}
