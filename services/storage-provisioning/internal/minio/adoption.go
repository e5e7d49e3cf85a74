package minio

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

var _ accesskey.Strays = (*Backend)(nil)

// ShapeUser brings a user that is there to what is wanted: first switched on or off, then out
// of every group, then with these policies alone. Its secret stays. The server changes the
// policies of users that are switched on alone, so that those of one that is not to be are
// left as they are. An absent user is no error, an absent policy is BACKEND_UNAVAILABLE: who
// is to make it may be about to.
func (b *Backend) ShapeUser(ctx context.Context, user string, want principal.User) error {
	there := false
	err := b.call(ctx, "ShapeUser", func(ctx context.Context) error {
		found, err := b.admin.GetUserInfo(ctx, user)
		if err != nil {
			return err
		}
		there = true
		had := userOf(found)
		if had.Enabled != want.Enabled {
			status := madmin.AccountDisabled
			if want.Enabled {
				status = madmin.AccountEnabled
			}
			if err := b.admin.SetUserStatus(ctx, user, status); err != nil {
				return err
			}
		}
		if !want.Enabled {
			return nil
		}
		for _, group := range had.Groups {
			if err := b.admin.UpdateGroupMembers(ctx, madmin.GroupAddRemove{Group: group, Members: []string{user}, IsRemove: true}); err != nil {
				return err
			}
		}
		if slices.Equal(had.Policies, want.Policies) {
			return nil
		}
		return b.admin.SetPolicy(ctx, strings.Join(want.Policies, ","), user, false) //nolint:staticcheck // the newer verb adds to what is attached
	})
	if there && errors.Is(err, errAbsent) {
		return errNotThereYet
	}
	return absentIsFine(err)
}

// userOf returns a user as the server told of it.
func userOf(found madmin.UserInfo) principal.User {
	u := principal.User{Exists: true, Enabled: found.Status == madmin.AccountEnabled, Groups: found.MemberOf}
	if found.PolicyName != "" {
		u.Policies = strings.Split(found.PolicyName, ",")
		slices.Sort(u.Policies)
	}
	return u
}

// RestoreKey puts a key back as it was once observed, without its secret: without a policy it
// may again do what its user can. An absent one is no error.
func (b *Backend) RestoreKey(ctx context.Context, id string, was principal.Key) error {
	return absentIsFine(b.call(ctx, "RestoreKey", func(ctx context.Context) error {
		expiry, err := expiryOf(was.ExpireTime)
		if err != nil {
			return err
		}
		if expiry == nil {
			expiry = &time.Time{} // nothing would leave the one that it has by now
		}
		status := "off"
		if was.Enabled {
			status = "on"
		}
		return b.admin.UpdateServiceAccount(ctx, id, madmin.UpdateServiceAccountReq{
			NewPolicy: was.Policy, NewStatus: status, NewExpiration: expiry,
		})
	}))
}

// ListUsers returns all users, but not their keys, nor the server's own administrator.
func (b *Backend) ListUsers(ctx context.Context) (map[string]principal.User, error) {
	found, err := value(ctx, b, "ListUsers", func(ctx context.Context) (map[string]madmin.UserInfo, error) {
		return b.admin.ListUsers(ctx)
	})
	users := make(map[string]principal.User, len(found))
	for name, info := range found {
		if name != b.cfg.AdminKey {
			users[name] = userOf(info)
		}
	}
	return users, err
}

// ListKeys returns the ids of the keys that each of the users has; users without any, and
// such as are switched off, are left out. The server looks through all keys there are for
// each user, so the caller asks for some at a time.
func (b *Backend) ListKeys(ctx context.Context, users []string) (map[string][]string, error) {
	if len(users) == 0 {
		return nil, errors.New("minio: whose keys is to be said") // for none the server lists the caller's
	}
	found, err := value(ctx, b, "ListKeys", func(ctx context.Context) (map[string]madmin.ListAccessKeysResp, error) {
		return b.admin.ListAccessKeysBulk(ctx, users, madmin.ListAccessKeysOpts{ListType: madmin.AccessKeyListSvcaccOnly})
	})
	keys := make(map[string][]string, len(found))
	for user, list := range found {
		for _, k := range list.ServiceAccounts {
			keys[user] = append(keys[user], k.AccessKey)
		}
	}
	return keys, err
}
