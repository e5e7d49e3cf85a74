package quota

import "time"

// notice is one thing to tell of an account.
type notice struct {
	verb string
	kind Kind
}

// The verbs of what is told besides "updated".
const (
	exceededVerb     = "exceeded"
	softExceededVerb = "soft_exceeded"
	recoveredVerb    = "recovered"
)

// judge says where an account stands with its limits now, and what of that is news. resume is
// the lower mark in hundredths of the limit. It stops writes at once, by whatever figure says
// so, and gives them back by a confirmed one alone. What is only reserved stops nobody: it may never
// come, and the stop reaches URLs that were handed out too.
func judge(q Quota, u Usage, resume int64, now time.Time) (Quota, []notice) {
	var news []notice
	hard := q.Limits.Storage.Hard
	switch {
	case !q.Stopped() && hard > 0 && u.Bytes > hard:
		q.StoppedAt = now
		news = append(news, notice{exceededVerb, Storage})
	case q.Stopped() && (hard == 0 || u.confirmedSince(q.StoppedAt) && u.Used() < share(hard, resume)):
		q.StoppedAt = time.Time{}
		news = append(news, notice{recoveredVerb, Storage})
	}
	for _, k := range Kinds {
		over, soft, used := q.Over.of(k), q.Limits.Of(k).Soft, u.of(k)
		switch {
		case !*over && soft > 0 && used > soft:
			*over = true
			news = append(news, notice{softExceededVerb, k})
		case *over && (soft == 0 || used <= soft && (k != Storage || u.Confirmed && used < share(soft, resume))):
			*over = false
			news = append(news, notice{"", k})
		}
	}
	return q, news
}

// headroom is how many bytes an account may write until something is to be told or done, and
// whether there is anything to reach.
func headroom(q Quota, u Usage) (left int64, limited bool) {
	left = maxInt64
	if hard := q.Limits.Storage.Hard; hard > 0 {
		left, limited = hard-u.Used(), true
	}
	if soft := q.Limits.Storage.Soft; soft > 0 {
		limited = true
		if !q.Over.Storage {
			left = min(left, soft-u.Bytes)
		}
	}
	return left, limited
}
