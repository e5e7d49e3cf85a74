package bucket

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

const (
	// passPage is how many records are read at a time.
	passPage = 2000
	// censusWithin bounds one answer about everything, some 20 s for 50 000 buckets on two
	// cores: well under the 60 s that a job has, so that what follows from it still fits.
	censusWithin = 45 * time.Second
	// wakeWithin bounds the waking of everything on a backend that has not answered, which
	// comes when the time of the pass may be over.
	wakeWithin = 10 * time.Second
)

// Record is a bucket as a pass over its backend needs it.
type Record struct {
	Bucket
	// Settled says that the last wish was seen fulfilled: whatever else is found now is news.
	Settled bool
}

// Passed is what a pass over a backend came to.
type Passed struct {
	// Buckets is how many are in the record, Woken how many of them are looked at by
	// themselves since something about them was not as wanted, Extras how many are nobody's.
	Buckets, Woken, Extras int
}

// PassOver compares everything on a backend with the record, by one answer of the backend
// for all. It changes nothing on the backend, and nothing in the record of what is as wanted.
// That answer may be stale, or cut short: so it never decides. Whatever is not as wanted by
// it is looked at by itself, and what nobody made is reported. Without an answer everything
// is looked at by itself that was not since the moment.
func (s *Service) PassOver(ctx context.Context, backendName string, since time.Time) (Passed, error) {
	backend, err := s.Backends.Backend(backendName)
	if err != nil {
		return Passed{}, err
	}
	records, err := s.records(ctx, backend.Name)
	if err != nil {
		return Passed{}, err
	}
	passed := Passed{Buckets: len(records)}
	var wake, extras []string
	census, enough := context.WithTimeout(ctx, censusWithin)
	defer enough()
	err = backend.Reader.ObserveAll(census, func(name string, o Observed) {
		r, known := records[name]
		switch {
		case !known:
			extras = append(extras, name)
		case !r.Settled || Judge(r.Bucket, o) != Agrees:
			wake = append(wake, r.ID)
		}
		delete(records, name)
	})
	if err != nil {
		wake, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeWithin)
		defer cancel()
		return passed, errors.Join(err, s.Inventory.WakeBackend(wake, backend.Name, since))
	}
	for _, absent := range records {
		wake = append(wake, absent.ID)
	}
	if extras, err = s.strangers(ctx, backend.Name, extras); err != nil {
		return passed, err
	}
	passed.Woken, passed.Extras = len(wake), len(extras)
	for chunk := range slices.Chunk(wake, passPage) {
		if err := s.Inventory.Wake(ctx, chunk); err != nil {
			return passed, err
		}
	}
	return passed, s.tellExtras(ctx, backend, extras)
}

// records returns the record of a backend by name.
func (s *Service) records(ctx context.Context, backend string) (map[string]Record, error) {
	records, after := map[string]Record{}, ""
	for {
		page, err := s.Inventory.Records(ctx, backend, after, passPage)
		if err != nil || len(page) == 0 {
			return records, err
		}
		for _, r := range page {
			records[r.Name] = r
		}
		after = page[len(page)-1].Name
	}
}

// strangers returns those of the names that are not in the record by now either: one that
// was made since it was read is no news.
func (s *Service) strangers(ctx context.Context, backend string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	known, err := s.Inventory.Names(ctx, backend)
	return slices.DeleteFunc(names, func(name string) bool { return known[name] }), err
}

// tellExtras reports what nobody made, and closes the findings of what is gone. That one is
// not in the answer says only that it is to be looked at: with a finding goes what an operator
// said of it.
func (s *Service) tellExtras(ctx context.Context, backend Backend, seen []string) error {
	still, err := s.overlooked(ctx, backend, seen)
	if err != nil {
		return err
	}
	for _, name := range seen {
		still = append(still, placeOf(backend.Name, name))
	}
	return s.Inventory.InPlatform(ctx, func(ctx context.Context, tx Tx) error {
		for _, name := range seen {
			extra := drift.Difference{Kind: drift.Extra, Desired: "absent", Observed: "present"}
			if err := s.drifts(tx).Record(ctx, subject(Bucket{ID: placeOf(backend.Name, name), Name: name}), extra); err != nil {
				return err
			}
		}
		_, err := tx.Drifts.GoneExtras(ctx, Kind, placeOf(backend.Name, ""), still, s.Clock.Now())
		return err
	})
}

// overlooked returns the places with an open finding, none of those that were seen, where a
// bucket of nobody's stands all the same, or may: the backend does not say. They are few, and
// no more are asked about once it does not answer.
func (s *Service) overlooked(ctx context.Context, backend Backend, seen []string) (still []string, err error) {
	var open []string
	err = s.Inventory.InPlatform(ctx, func(ctx context.Context, tx Tx) error {
		open, err = tx.Drifts.OpenExtras(ctx, Kind, placeOf(backend.Name, ""))
		return err
	})
	visited := make(map[string]bool, len(seen))
	for _, name := range seen {
		visited[name] = true
	}
	open = slices.DeleteFunc(open, func(place string) bool { return visited[nameAt(backend.Name, place)] })
	if err != nil || len(open) == 0 {
		return nil, err
	}
	known, err := s.Inventory.Names(ctx, backend.Name)
	if err != nil {
		return nil, err
	}
	silent := false
	for _, place := range open {
		name := nameAt(backend.Name, place)
		if known[name] {
			continue // it is somebody's by now
		}
		if !silent {
			observed, err := backend.Reader.ObserveBucket(ctx, name)
			if err == nil && !observed.Exists {
				continue
			}
			silent = err != nil && change.InDoubt(err)
		}
		still = append(still, place)
	}
	return still, nil
}

// placeOf names what nobody made: its backend and its name there. nameAt is the way back.
func placeOf(backend, name string) string { return backend + "/" + name }

func nameAt(backend, place string) string { return strings.TrimPrefix(place, placeOf(backend, "")) }
