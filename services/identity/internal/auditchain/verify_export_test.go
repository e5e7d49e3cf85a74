package auditchain_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
)

func TestAnAnchorAtThePlaceWhereAnExportBeginsIsHeldAgainstIt(t *testing.T) {
	tr, ring := newTrail(t)
	keys := auditchain.KeysOf(ring.PublicKeys())
	tr.add(5)
	seen := auditchain.Head{AccountID: "acc_1", Position: tr.head.Position}
	anchors := []auditchain.Anchor{{Time: auditchain.Moment(noon), Heads: []auditchain.Head{seen}}}
	tr.add(3)
	raw, err := tr.export(t, ring, auditchain.Wanted{After: 5})
	must(t, err)
	if held, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, anchors); err != nil || held.Anchors != 1 {
		t.Errorf("%+v, %v", held, err)
	}
	// The chain is made anew by somebody who has the key too.
	tr.entries, tr.head = nil, auditchain.Head{AccountID: "acc_1"}
	tr.clock.Advance(time.Second)
	tr.add(8)
	raw, err = tr.export(t, ring, auditchain.Wanted{After: 5})
	must(t, err)
	if _, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, nil); err != nil {
		t.Errorf("by itself it is whole: %v", err)
	}
	if _, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, anchors); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("with the anchor: %v", err)
	}
}
