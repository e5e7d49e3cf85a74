package auditchain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Verified is what was found to be whole.
type Verified struct {
	// Chains and Entries are how many there are, Checkpoints how many chains begin at one.
	Chains, Checkpoints int
	Entries             int64
	// Anchored is how many places of chains anchors have seen and agree with.
	Anchored int
}

// maxProblems is how many chains with problems are told of; then it is no use to go on.
const maxProblems = 100

// Verify reads every chain from its beginning to its end and returns what was found, and
// everything that is wrong, a problem per chain. Anchors may be nil.
func Verify(ctx context.Context, r Reader, keys Keys, anchors []Anchor) (Verified, error) {
	v := trailCheck{reader: r, keys: keys, sightings: sightingsOf(anchors)}
	err := eachHead(ctx, r, func(h Head) error {
		problem := v.chain(ctx, h)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if problem != nil {
			v.problems = append(v.problems, fmt.Errorf("account %q: %w", h.AccountID, problem))
		}
		delete(v.sightings, h.AccountID)
		if len(v.problems) >= maxProblems {
			return errors.New("there are more problems")
		}
		return nil
	})
	if err == nil {
		for _, account := range slices.Sorted(maps.Keys(v.sightings)) {
			v.problems = append(v.problems, fmt.Errorf("account %q: an anchor saw its chain, and there is none", account))
		}
	}
	return v.out, errors.Join(append(v.problems, err)...)
}

type trailCheck struct {
	reader    Reader
	keys      Keys
	sightings map[string][]sighting
	out       Verified
	problems  []error
}

// chain verifies one chain up to the head, which was read before its entries.
func (v *trailCheck) chain(ctx context.Context, head Head) error {
	v.out.Chains++
	begin, err := v.reader.Checkpoint(ctx, head.AccountID)
	if err != nil {
		return err
	}
	if begin.Sequence > 0 {
		v.out.Checkpoints++
		if err := begin.Check(v.keys); err != nil {
			return err
		}
	}
	seen := map[int64]sighting{}
	for _, s := range v.sightings[head.AccountID] {
		if s.Sequence > head.Sequence {
			return fmt.Errorf("the anchor of %s saw entry %d, and the chain ends at entry %d: its tail was cut off", s.time, s.Sequence, head.Sequence)
		}
		if earlier, twice := seen[s.Sequence]; twice && earlier.Hash != s.Hash {
			return fmt.Errorf("the anchors of %s and %s saw different entries %d", earlier.time, s.time, s.Sequence)
		}
		seen[s.Sequence] = s
	}
	walk := Walk{AccountID: head.AccountID, At: begin.Position}
	if err := v.anchored(seen, walk.At); err != nil {
		return err
	}
	for walk.At.Sequence < head.Sequence {
		entries, err := v.reader.EntriesAfter(ctx, head.AccountID, walk.At.Sequence, int(min(pageOf, head.Sequence-walk.At.Sequence)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("its entries end at %d, and the chain at %d: the tail was cut off", walk.At.Sequence, head.Sequence)
		}
		for _, e := range entries {
			if err := walk.Next(RecordOf(e)); err != nil {
				return err
			}
			v.out.Entries++
			if err := v.anchored(seen, walk.At); err != nil {
				return err
			}
		}
	}
	if walk.At != head.Position {
		return fmt.Errorf("its entries end at %d with another hash than the chain's head has", walk.At.Sequence)
	}
	return nil
}

func (v *trailCheck) anchored(seen map[int64]sighting, at Position) error {
	s, there := seen[at.Sequence]
	if !there {
		return nil
	}
	v.out.Anchored++
	if s.Hash != at.Hash {
		return fmt.Errorf("entry %d is another one than the anchor of %s saw", at.Sequence, s.time)
	}
	return nil
}
