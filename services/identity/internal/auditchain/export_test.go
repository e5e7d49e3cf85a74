package auditchain_test

import (
	"errors"
	"testing"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
)

// hungUp is a caller who takes some bytes and is gone then.
type hungUp struct{ takes int }

var errGone = errors.New("the caller is gone")

func (h *hungUp) Write(p []byte) (int, error) {
	if h.takes -= len(p); h.takes < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func TestAnExportThatTheCallerDidNotTakeToItsEndIsNotToldOfAsSucceeded(t *testing.T) {
	for name, c := range map[string]struct{ entries, takes int }{
		"a file in one piece":      {entries: 3},
		"the last piece of a file": {entries: 500, takes: 200_000},
	} {
		tr, ring := newTrail(t)
		tr.add(c.entries)
		x := auditchain.Exporter{Reader: tr, Witness: tr, Signer: ring, Clock: tr.clock}
		caller := &hungUp{takes: c.takes}
		if err := x.Export(t.Context(), auditchain.Wanted{AccountID: "acc_1"}, caller); !errors.Is(err, errGone) {
			t.Errorf("%s: %v", name, err)
		}
		if len(tr.told) != 2 || tr.told[0].Outcome != audit.Started || tr.told[1].Outcome != audit.Failed {
			t.Errorf("%s: told %+v", name, tr.told)
		}
	}
}
