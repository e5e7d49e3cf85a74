package bucket

import "context"

// SetPublic says what everybody may read of the bucket. etag is what the caller has seen, or
// empty. It stands in the trail as an act of its own, whatever it comes to. While the account
// is stopped it is recorded and takes effect when the account is active again.
func (s *Service) SetPublic(ctx context.Context, accountID, name, etag string, public Public) (Done, error) {
	if !public.Read {
		public = Public{}
	}
	return s.Update(ctx, accountID, name, etag, Changes{Public: &public})
}
