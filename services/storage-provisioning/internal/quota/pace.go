package quota

import "time"

// Source is where a figure comes from.
type Source string

// The sources.
const (
	// Report is what the backend says of all buckets at once: late, and empty after a restart.
	Report Source = "REPORT"
	// Listing is what we have counted ourselves.
	Listing Source = "LISTING"
)

// Figure is what was measured of a bucket.
type Figure struct {
	// BucketID, AccountID, Backend and Name say which bucket.
	BucketID, AccountID, Backend, Name string
	// Known says that something was measured; the rest means nothing before.
	Known bool
	// Bytes and Versions are the figures that count, MeasuredAt and Source when and how they
	// came about.
	Bytes, Versions int64
	MeasuredAt      time.Time
	Source          Source
	// Reported is the most that the backend has reported since the last listing, or so.
	Reported int64
	// ListedAt is when the last whole listing began, Took how long it worked.
	ListedAt time.Time
	Took     time.Duration
	// Tally is the listing under way.
	Tally Tally
}

// Tally is a listing that goes on over several passes.
type Tally struct {
	// Began is when; zero when none is under way.
	Began time.Time
	// After is the key after which it goes on.
	After string
	// Bytes and Versions are what it has counted.
	Bytes, Versions int64
}

// Size is how much is in a bucket.
type Size struct{ Bytes, Versions int64 }

// heard takes note of what the backend reports of the bucket. Only more than was ever
// reported since we counted is news: less may be a server that has just started, and more
// than we counted may still be from before. changed says whether there is something to keep.
func (f Figure) heard(r Size, now time.Time) (_ Figure, changed bool) {
	if r.Bytes <= f.Reported && f.Known {
		return f, false
	}
	if f.Reported = r.Bytes; !f.Known || r.Bytes > f.Bytes {
		f.Bytes, f.Versions, f.Source, f.MeasuredAt, f.Known = r.Bytes, max(f.Versions, r.Versions), Report, now, true
	}
	return f, true
}

// counted takes note of one more stretch of a listing that took so long; next is the key to go
// on after, "" at the end. What was counted so far is there at least.
func (f Figure) counted(stretch Size, next string, reported Size, took time.Duration, now time.Time) Figure {
	t := f.Tally
	t.Bytes, t.Versions, t.After = sum(t.Bytes, stretch.Bytes), sum(t.Versions, stretch.Versions), next
	if next != "" {
		if f.Tally, f.Took = t, f.Took+took; t.Bytes > f.Bytes {
			f.Bytes, f.Versions, f.Source, f.MeasuredAt, f.Known = t.Bytes, max(t.Versions, f.Versions), Report, now, true
		}
		return f
	}
	f.Bytes, f.Versions, f.Source, f.MeasuredAt, f.Known = t.Bytes, t.Versions, Listing, t.Began, true
	f.ListedAt, f.Took, f.Tally = t.Began, f.Took+took, Tally{}
	if reported.Bytes > 0 {
		// From here on more than this is news. Of an empty report nothing is learnt.
		f.Reported = reported.Bytes
	}
	return f
}

// begun returns the figure with a listing under way.
func (f Figure) begun(now time.Time) Figure {
	if f.Tally.Began.IsZero() {
		f.Tally, f.Took = Tally{Began: now}, 0
	}
	return f
}

// pace says when buckets are counted.
type pace struct {
	// tick is how often there is a pass, slow how often every bucket is counted.
	tick, slow time.Duration
	// lower is how soon a report of less is looked into.
	lower time.Duration
	// rate is how many bytes per second an account is taken to write at most.
	rate int64
}

// due says whether the bucket is to be counted now. An account with a limit is counted again
// before it could have reached that at the assumed rate: the nearer, the oftener, at most half
// of the time. One beyond its limit is counted at every pass, and what was only reported of it
// at once.
func (p pace) due(f Figure, left int64, limited bool, reported Size, now time.Time) bool {
	switch {
	case !f.Tally.Began.IsZero(), f.ListedAt.IsZero(), limited && left <= 0 && f.Source == Report:
		return true
	}
	least := max(p.tick, f.Took)
	wait := max(p.slow, least)
	if limited {
		wait = p.slow
		if left <= 0 {
			wait = 0
		} else if seconds := left / p.rate; seconds < int64(p.slow/time.Second) {
			wait = time.Duration(seconds) * time.Second
		}
		wait = max(wait, least)
	}
	if reported.Bytes > 0 && reported.Bytes < f.Bytes {
		wait = min(wait, max(p.lower, least))
	}
	// Passes come at a beat that a listing is a little behind.
	return !now.Before(f.ListedAt.Add(f.Took + wait - p.tick/2))
}
