package auditchain

import (
	"errors"
	"fmt"
	"io"
)

// Exported is what a verified export holds.
type Exported struct {
	// AccountID is whose entries.
	AccountID string
	// After is where the file begins, Last where it ends.
	After, Last Position
	// Dropped is the month up to which older entries were dropped, as a checkpoint says.
	Dropped string
	// Time is when it was made.
	Time string
	// Anchors is how many anchors lie within and agree.
	Anchors int
}

// VerifyExport reads an export and returns what it holds, or what is wrong with it. Anchors
// may be nil.
func VerifyExport(file io.Reader, keys Keys, anchors []Anchor) (Exported, error) {
	v := exportCheck{keys: keys, sightings: sightingsOf(anchors), lines: newReader(file)}
	for n := 1; !v.ended; n++ {
		if err := v.line(); err != nil {
			return v.out, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if _, err := v.lines.in.Peek(1); !errors.Is(err, io.EOF) {
		return v.out, errors.New("something stands behind the line that ends the export")
	}
	return v.out, nil
}

type exportCheck struct {
	keys      Keys
	sightings map[string][]sighting
	lines     *reader
	walk      *Walk
	out       Exported
	ended     bool
}

func (v *exportCheck) line() error {
	l, err := v.lines.next()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the export has no end: its tail is missing")
	case err != nil:
		return err
	case (l.kind == lineBegin) != (v.walk == nil):
		return fmt.Errorf("a line of type %q stands in the wrong place", l.kind)
	}
	switch l.kind {
	case lineBegin:
		return v.begin(l)
	case lineEntry:
		return v.entry(l)
	case lineEnd:
		return v.end(l)
	default:
		return fmt.Errorf("%q is no type of line", l.kind)
	}
}

func (v *exportCheck) begin(l line) error {
	v.walk = &Walk{AccountID: l.AccountID(), At: l.Position}
	v.out.AccountID, v.out.After = l.AccountID(), l.Position
	if l.signature.Bytes != nil {
		v.out.Dropped = l.month
		c := Checkpoint{AccountID: l.AccountID(), Position: l.Position, Month: l.month, Signature: l.signature}
		if err := c.Check(v.keys); err != nil {
			return err
		}
	}
	if l.Sequence == 0 && l.Hash != (Digest{}) {
		return errors.New("the first entry has none before it, so that hash must be all zeros")
	}
	return v.anchored(l.AccountID(), l.Position)
}

func (v *exportCheck) entry(l line) error {
	if l.month != "" || l.signature.Bytes != nil || l.signature.KeyID != "" {
		return errors.New("an entry has no signature")
	}
	if err := v.walk.Next(l.Record); err != nil {
		return err
	}
	return v.anchored(l.AccountID(), l.Position)
}

// anchored holds a place of the chain, that where the file begins included, against the
// anchors that have seen it.
func (v *exportCheck) anchored(accountID string, at Position) error {
	for _, s := range v.sightings[accountID] {
		if s.Sequence == at.Sequence {
			v.out.Anchors++
			if s.Hash != at.Hash {
				return fmt.Errorf("entry %d is another one than the anchor of %s saw", at.Sequence, s.time)
			}
		}
	}
	return nil
}

func (v *exportCheck) end(l line) error {
	e := ending{AccountID: l.AccountID(), After: v.out.After, Last: l.Position, Time: l.Values[4], Signature: l.signature}
	if l.AccountID() != v.walk.AccountID || l.Position != v.walk.At {
		return fmt.Errorf("the export ends at entry %d and says that it ends at entry %d", v.walk.At.Sequence, l.Sequence)
	}
	if err := v.keys.check("the end of the export", e.message(), e.Signature); err != nil {
		return err
	}
	for _, s := range v.sightings[e.AccountID] {
		if s.Sequence > e.Last.Sequence && s.time <= e.Time {
			return fmt.Errorf("the anchor of %s saw entry %d, the export of %s ends at entry %d: its tail is missing", s.time, s.Sequence, e.Time, e.Last.Sequence)
		}
	}
	v.out.Last, v.out.Time, v.ended = e.Last, e.Time, true
	return nil
}

// sighting is what an anchor says of one chain.
type sighting struct {
	Position
	time string
}

// sightingsOf sorts what anchors say by account.
func sightingsOf(anchors []Anchor) map[string][]sighting {
	by := map[string][]sighting{}
	for _, a := range anchors {
		for _, h := range a.Heads {
			by[h.AccountID] = append(by[h.AccountID], sighting{Position: h.Position, time: a.Time})
		}
	}
	return by
}
