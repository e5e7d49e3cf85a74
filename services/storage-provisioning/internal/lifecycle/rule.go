// Package lifecycle says what a lifecycle rule does to the objects of a bucket, and does the
// one thing of it that no backend does for us: it aborts incomplete uploads.
//
// It owns: what a rule hits (the same arithmetic as the backend's, held against it by tests),
// the preview of a rule, and the default rule, after which incomplete uploads are aborted
// where no rule of the owner's says sooner.
//
// Guarantees: a preview changes nothing, looks at a bounded number of objects and says whether
// those were all; an upload is aborted only when a rule that the owner set or the default rule
// says so, and that is recorded.
//
// The rules of a bucket themselves belong to package bucket.
package lifecycle

import (
	"strings"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

const day = 24 * time.Hour

// Version is one version of an object, or a delete marker.
type Version struct {
	// Key is the object's.
	Key string
	// Size is in bytes; zero for a delete marker.
	Size int64
	// Modified is when it was written.
	Modified time.Time
	// Latest says that it is the current one, Marker that it is a delete marker.
	Latest, Marker bool
	// Retained says that an object lock keeps it from being removed for now.
	Retained bool
	// Tier is where it lies already; empty for no tier.
	Tier string
	// Tags are the object's.
	Tags map[string]string
}

// Upload is an upload in parts that was not completed.
type Upload struct {
	Key, ID string
	// Begun is when it was begun.
	Begun time.Time
}

// Hits counts what one action would hit.
type Hits struct{ Count, Bytes int64 }

func (h *Hits) add(v Version) { h.Count, h.Bytes = h.Count+1, h.Bytes+v.Size }

// Effect is what a rule would do.
type Effect struct {
	// Expire are current objects, Noncurrent old versions, Markers delete markers without a
	// version below them, Transition objects that move to the tier.
	Expire, Noncurrent, Markers, Transition Hits
	// Uploads are incomplete uploads; their size is not known.
	Uploads Hits
}

// Matches says whether a rule is about a version at all, whatever its age. Delete markers
// have no tags, and no size that would count.
func Matches(r bucket.Rule, v Version) bool {
	if !strings.HasPrefix(v.Key, r.Prefix) {
		return false
	}
	for _, tag := range r.Tags {
		if value, ok := v.Tags[tag.Key]; !ok || value != tag.Value {
			return false
		}
	}
	if v.Marker {
		return true
	}
	return (r.SizeGreaterThan == 0 || v.Size > r.SizeGreaterThan) && (r.SizeLessThan == 0 || v.Size < r.SizeLessThan)
}

// Due is when something that happened at a time is so many days old to the backend: at the
// midnight (UTC) after as many full days. No days are due at once.
func Due(since time.Time, days int) time.Time {
	if days == 0 {
		return since
	}
	return since.UTC().Add(time.Duration(days+1) * day).Truncate(day)
}

// add counts what the rule does to one object: all of its versions, the newest first.
func (e *Effect) add(r bucket.Rule, versions []Version, now time.Time) {
	passed := func(since time.Time, days int) bool { return now.After(Due(since, days)) }
	kept := 0 // old versions that stay
	for i, v := range versions {
		matches := Matches(r, v)
		switch {
		case v.Latest && v.Marker:
			alone := len(versions) == 1
			if matches && alone && (r.ExpireMarkers || r.ExpireAfterDays > 0 && passed(v.Modified, r.ExpireAfterDays)) {
				e.Markers.add(v)
			}
		case v.Latest:
			if matches && r.ExpireAfterDays > 0 && passed(v.Modified, r.ExpireAfterDays) {
				e.Expire.add(v)
			} else if matches && r.Tier != "" && v.Tier != r.Tier && passed(v.Modified, r.TransitionAfterDays) {
				e.Transition.add(v)
			}
		default:
			ends := r.ExpireNoncurrentAfterDays > 0 || r.KeepNewer > 0
			if !matches || !ends || v.Retained || i == 0 || kept < r.KeepNewer || !passed(versions[i-1].Modified, r.ExpireNoncurrentAfterDays) {
				kept++
				continue
			}
			if v.Marker {
				e.Markers.add(v)
			} else {
				e.Noncurrent.add(v)
			}
		}
	}
}

// DefaultAbortDays is after how many days an incomplete upload is aborted where no rule of the
// owner's says sooner.
const DefaultAbortDays = bucket.MaxAbortDays

// AbortDue is when an upload is to be aborted by the rules, or by the default one.
func AbortDue(rules []bucket.Rule, u Upload) time.Time {
	days := DefaultAbortDays
	for _, r := range rules {
		if !r.Disabled && r.AbortAfterDays > 0 && strings.HasPrefix(u.Key, r.Prefix) {
			days = min(days, r.AbortAfterDays)
		}
	}
	return u.Begun.Add(time.Duration(days) * day)
}
