package principal

import "context"

// Identity returns the account's identity, with its secrets, once it is on the backend as
// the record wants it now.
func (s *Service) Identity(ctx context.Context, accountID, backend string) (Principal, error) {
	if err := s.Ensure(ctx, accountID, backend, 0); err != nil {
		return Principal{}, err
	}
	p, ok, err := s.Store.Find(ctx, accountID, backend)
	if err == nil && !ok {
		err = ErrUnknown
	}
	return p, err
}

// Find returns the account's identity on a backend as it is recorded, if it has one there.
func (s *Service) Find(ctx context.Context, accountID, backend string) (Principal, bool, error) {
	return s.Store.Find(ctx, accountID, backend)
}
