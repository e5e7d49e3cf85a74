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
		problem := v.chain(ctx, h.AccountID)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		delete(v.sightings, h.AccountID)
		return v.note(h.AccountID, problem)
	})
	if err == nil {
		err = v.chainless(ctx)
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

// note keeps what is wrong with a chain, if anything is, and fails when it is no use to go on.
func (v *trailCheck) note(accountID string, problem error) error {
	if problem == nil {
		return nil
	}
	v.problems = append(v.problems, fmt.Errorf("account %q: %w", accountID, problem))
	if len(v.problems) >= maxProblems {
		return errors.New("there are more problems")
	}
	return nil
}

// chainless finds what belongs to accounts without a chain.
func (v *trailCheck) chainless(ctx context.Context) error {
	accounts, err := v.reader.Headless(ctx, maxProblems)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if err := v.note(account, errors.New("it has entries or a checkpoint, and no chain that they belong to")); err != nil {
			return err
		}
		delete(v.sightings, account)
	}
	for _, account := range slices.Sorted(maps.Keys(v.sightings)) {
		if err := v.note(account, errors.New("an anchor saw its chain, and there is none")); err != nil {
			return err
		}
	}
	return nil
}

// chain verifies one chain. When a month was dropped meanwhile, what was read of it says
// nothing, and the chain is read again from where it begins now.
func (v *trailCheck) chain(ctx context.Context, accountID string) error {
	is, err := v.reader.Extent(ctx, accountID)
	for err == nil {
		c := chainCheck{reader: v.reader, sightings: v.sightings[accountID]}
		problem := c.verify(ctx, is, v.keys)
		begun := is.Begin.Sequence
		if problem != nil {
			if is, err = v.reader.Extent(ctx, accountID); err == nil && is.Begin.Sequence > begun {
				continue
			}
		}
		v.out.Chains++
		v.out.Entries += c.entries
		v.out.Anchored += c.anchors
		if begun > 0 {
			v.out.Checkpoints++
		}
		return errors.Join(problem, err)
	}
	return err
}

// chainCheck is the verification of one chain.
type chainCheck struct {
	reader    Reader
	sightings []sighting
	seen      map[int64]sighting
	entries   int64
	anchors   int
}

// verify verifies the chain as it is, which was read before its entries.
func (c *chainCheck) verify(ctx context.Context, is Extent, keys Keys) error {
	head, begin := is.Head, is.Begin
	if begin.Sequence > 0 {
		if err := begin.Check(keys); err != nil {
			return err
		}
	}
	c.seen = map[int64]sighting{}
	for _, s := range c.sightings {
		if s.Sequence > head.Sequence {
			return fmt.Errorf("the anchor of %s saw entry %d, and the chain ends at entry %d: its tail was cut off", s.time, s.Sequence, head.Sequence)
		}
		if earlier, twice := c.seen[s.Sequence]; twice && earlier.Hash != s.Hash {
			return fmt.Errorf("the anchors of %s and %s saw different entries %d", earlier.time, s.time, s.Sequence)
		}
		c.seen[s.Sequence] = s
	}
	if err := c.walk(ctx, is); err != nil {
		return err
	}
	// The walk has seen each place from the beginning to the end once, so more entries than
	// places are entries that it could not see.
	if places := head.Sequence - begin.Sequence; is.Entries != places {
		return fmt.Errorf("%d entries are stored, and the chain from %d to %d has %d: some were added beside it", is.Entries, begin.Sequence, head.Sequence, places)
	}
	return nil
}

func (c *chainCheck) walk(ctx context.Context, is Extent) error {
	head, walk := is.Head, Walk{AccountID: is.Head.AccountID, At: is.Begin.Position}
	if err := c.anchored(walk.At); err != nil {
		return err
	}
	for walk.At.Sequence < head.Sequence {
		entries, err := c.reader.EntriesAfter(ctx, head.AccountID, walk.At.Sequence, int(min(pageOf, head.Sequence-walk.At.Sequence)))
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
			c.entries++
			if err := c.anchored(walk.At); err != nil {
				return err
			}
		}
	}
	if walk.At != head.Position {
		return fmt.Errorf("its entries end at %d with another hash than the chain's head has", walk.At.Sequence)
	}
	return nil
}

func (c *chainCheck) anchored(at Position) error {
	s, there := c.seen[at.Sequence]
	if !there {
		return nil
	}
	c.anchors++
	if s.Hash != at.Hash {
		return fmt.Errorf("entry %d is another one than the anchor of %s saw", at.Sequence, s.time)
	}
	return nil
}
