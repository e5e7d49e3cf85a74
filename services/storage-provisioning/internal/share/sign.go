package share

import (
	"context"
	"mime"
	"strings"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// signing is what to sign a download for: with the account's hidden key, which can only
// read, and as a file to save, so that no browser runs what somebody else has put there.
func (s *Service) signing(v *visit, key string) object.Download {
	return object.Download{
		Reader: v.place.identity.ReaderKey, Secret: v.place.identity.ReaderSecret, Bucket: v.share.Bucket, Key: key,
		Disposition: mime.FormatMediaType("attachment", map[string]string{"filename": fileName(key)}), Lifetime: DownloadLifetime,
	}
}

// put is what to sign an upload for: with temporary credentials for this one object, which is
// to be new.
func (s *Service) put(v *visit, key string) (object.Upload, error) {
	session, err := policy.Upload(v.share.Bucket, key)
	if err != nil {
		return object.Upload{}, invalid("upload_name", "KEY_ESCAPED_LENGTH", "use a shorter name of plainer characters").Wrap(err)
	}
	return object.Upload{
		User: v.place.identity.User, Secret: v.place.identity.UserSecret, Policy: session, Bucket: v.share.Bucket, Key: key,
		Size: &v.asked.UploadSize, New: true, Lifetime: UploadLifetime,
	}, nil
}

const (
	resolveMethod = "/primecloud.storage.v1.ShareService/ResolveShare"
	// defaultObjects is how many objects a page has unless somebody asks for others.
	defaultObjects = 100
)

// page returns a page of the objects below the prefix, by relative key, without those that
// could not be downloaded by their key. It may be empty although there are more.
func (s *Service) page(ctx context.Context, v *visit) ([]Found, string, error) {
	limit, err := page.Size(v.asked.Size, defaultObjects, page.MaxSize)
	if err != nil {
		return nil, "", err
	}
	binding := page.Binding{Method: resolveMethod, Account: v.share.AccountID, Query: []string{v.share.ID}}
	position, err := s.Pages.Decode(v.asked.Page, binding)
	if err != nil {
		return nil, "", err
	}
	listing := object.Listing{Bucket: v.share.Bucket, Prefix: v.share.Path, Limit: limit}
	if len(position) == 1 {
		listing.After = v.share.Path + position[0]
	}
	found, err := v.place.backend.List(ctx, v.place.login(), listing)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if found.More {
		next = s.Pages.Encode(page.Position{strings.TrimPrefix(found.NextKey, v.share.Path)}, binding)
	}
	shown := make([]Found, 0, len(found.Objects))
	for _, one := range found.Objects {
		relative := strings.TrimPrefix(one.Key, v.share.Path)
		if relative == "" || strings.HasSuffix(relative, "/") || object.CheckKey(one.Key) != nil {
			continue
		}
		shown = append(shown, Found{Key: relative, Size: one.Size, At: one.ModifiedAt})
	}
	return shown, next, nil
}
