package auditchain_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

// dropping is a trail whose oldest month is dropped just before its entries are read.
type dropping struct {
	*trail
	drop func()
}

func (d *dropping) EntriesAfter(ctx context.Context, accountID string, after int64, limit int) ([]audittrail.Entry, error) {
	if d.drop != nil {
		d.drop()
		d.drop = nil
	}
	return d.trail.EntriesAfter(ctx, accountID, after, limit)
}

func TestAMonthThatIsDroppedWhileTheTrailIsVerifiedIsNoProblem(t *testing.T) {
	tr, ring := newTrail(t)
	keys := auditchain.KeysOf(ring.PublicKeys())
	tr.add(4)
	tr.clock.Advance(62 * 24 * time.Hour)
	tr.add(3)
	retention := auditchain.Retention{Keep: 1, Months: tr, Signer: ring, Clock: tr.clock}
	meanwhile := &dropping{trail: tr, drop: func() {
		_, err := retention.KeepUp(t.Context())
		must(t, err)
	}}
	found, err := auditchain.Verify(t.Context(), meanwhile, keys, nil)
	if want := (auditchain.Verified{Chains: 1, Checkpoints: 1, Entries: 3}); err != nil || found != want {
		t.Errorf("%+v, %v", found, err)
	}
	tr.entries[0].Reason = "changed"
	if _, err := auditchain.Verify(t.Context(), tr, keys, nil); err == nil {
		t.Error("a changed entry passes")
	}
}

func TestAnEntryThatWasAddedBesideTheChainIsFound(t *testing.T) {
	for name, place := range map[string]int64{"behind its end": 1001, "a place again": 7, "a place again at the border of a page": 500} {
		tr, ring := newTrail(t)
		tr.add(1000)
		keys := auditchain.KeysOf(ring.PublicKeys())
		if _, err := auditchain.Verify(t.Context(), tr, keys, nil); err != nil {
			t.Fatal(err)
		}
		e := tr.entries[min(place, 1000)-1]
		e.Link.Sequence = place
		tr.entries = slices.Insert(tr.entries, int(min(place, 1000)), e)
		if _, err := auditchain.Verify(t.Context(), tr, keys, nil); err == nil {
			t.Errorf("%s: it verifies", name)
		} else if place != 7 && !strings.Contains(err.Error(), "added beside it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
