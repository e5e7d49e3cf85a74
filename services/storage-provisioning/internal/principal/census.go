package principal

import (
	"context"
	"errors"
)

// Census is all users, named policies and keys of a backend, by one answer. It holds no secret.
// Like every answer it may be stale, so it decides nothing.
type Census struct {
	// Users and Policies are by name, Keys by access key id.
	Users    map[string]User
	Policies map[string][]byte
	Keys     map[string]Key
}

// Inventory is the part of a backend that tells of everything at once.
type Inventory interface {
	// TakeCensus returns the census; ok is false where the backend would not tell without risk
	// to what is secret. Errors are classified as those of bucket.BackendReader.
	TakeCensus(ctx context.Context) (census Census, ok bool, err error)
}

// errDiffers ends a comparison at the first thing that would have to be written.
var errDiffers = errors.New("principal: the backend has something else than what is wanted")

// view is a census as a backend, which takes nothing: whoever would write learns that
// something differs.
type view struct{ Census }

func (v view) ObserveUser(_ context.Context, user string) (User, error) { return v.Users[user], nil }

func (view) PutUser(context.Context, string, string) error { return errDiffers }

func (v view) GetPolicy(_ context.Context, name string) ([]byte, bool, error) {
	document, ok := v.Policies[name]
	return document, ok, nil
}

func (view) PutPolicy(context.Context, string, []byte) error { return errDiffers }

func (view) AttachPolicy(context.Context, string, string) error { return errDiffers }

func (v view) ObserveKey(_ context.Context, id string) (Key, error) { return v.Keys[id], nil }

func (view) PutKey(context.Context, KeySpec) error { return errDiffers }

func (view) RemoveKey(context.Context, string) error { return errDiffers }

// passPage is how many identities are read at a time.
const passPage = 1000

// Compared is what a comparison of everything on a backend came to.
type Compared struct {
	// Users are the names of the accounts' users on the backend, by account.
	Users map[string]string
	// Differ are the ids of the identities that are not as wanted, or not known to be.
	Differ []string
}

// Compare holds all identities on a backend against a census of it, by the code that sees to
// each of them, and changes nothing.
func (s *Service) Compare(ctx context.Context, backend string, census Census) (Compared, error) {
	compared, after := Compared{Users: map[string]string{}}, ""
	for {
		refs, err := s.Store.OnBackend(ctx, backend, after, passPage)
		if err != nil || len(refs) == 0 {
			return compared, err
		}
		for _, ref := range refs {
			p, reach, ok, err := s.Store.Load(ctx, ref)
			if err != nil {
				return Compared{}, err
			}
			if !ok {
				continue // it went since the list was made
			}
			compared.Users[p.AccountID] = p.User
			same, err := s.same(ctx, p, reach, census)
			if ctx.Err() != nil {
				return Compared{}, err
			}
			// What is wrong with one is told by its own look, and keeps no other from being compared.
			if err != nil || !same {
				compared.Differ = append(compared.Differ, p.ID)
			}
		}
		after = refs[len(refs)-1].ID
	}
}

// same reports whether the census has the identity, and the users of its keys, as wanted, and
// the record knows it.
func (s *Service) same(ctx context.Context, p Principal, reach Reach, census Census) (bool, error) {
	if p.Applied == "" || p.Observed != p.Generation {
		return false, nil
	}
	seen := Backend{Name: p.Backend, Users: view{census}, Keys: view{census}}
	_, err := s.converge(ctx, seen, p, s.document(reach))
	if err != nil {
		return false, unlessDiffers(err)
	}
	holders, err := s.Store.Holders(ctx, p)
	if err != nil {
		return false, err
	}
	for _, h := range holders {
		work := holderWork{Holder: h, document: s.Policies.Holder(h.Scope, reach.Buckets, reach.ReadOnly), whole: true}
		if _, err := s.writeHolder(ctx, seen, work); err != nil {
			return false, unlessDiffers(err)
		}
	}
	return true, nil
}

func unlessDiffers(err error) error {
	if errors.Is(err, errDiffers) {
		return nil
	}
	return err
}
