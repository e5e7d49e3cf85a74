package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// external lets somebody from elsewhere into one bucket of the account, and shows that they
// see nothing else of it.
func (d *Demo) external(ctx context.Context) error {
	d.guest = webclient.New(d.target.Gateway)
	if err := d.guest.Login(ctx, d.target.Guest, d.target.GuestPassword); err != nil {
		return err
	}
	var me struct {
		User struct{ ID, Email string } `json:"user"`
	}
	if _, err := d.guest.Call(ctx, http.MethodGet, "/v1/me", nil, &me); err != nil {
		return err
	}
	account := "/v1/accounts/" + d.account
	// A second bucket, which nobody shows the guest.
	d.hidden = d.bucket + "-hidden"
	if _, _, err := d.newBucket(ctx, d.account, d.hidden); err != nil {
		return err
	}
	if _, err := d.web.Call(ctx, http.MethodPost, account+"/memberships", map[string]string{"userId": me.User.ID, "role": "ROLE_EXTERNAL"}, nil); err != nil {
		return err
	}
	grant := account + "/buckets/" + d.bucket + "/grants/" + me.User.ID
	// Storage hears of a new member by an event, a moment later.
	err := within(ctx, 20*time.Second, func() error {
		_, err := d.web.Call(ctx, http.MethodPut, grant, map[string]string{"permission": "PERMISSION_READ"}, nil)
		return err
	})
	if err != nil {
		return err
	}
	d.show("%s is an external member of %s and may read %s", me.User.Email, d.account, d.bucket)
	return d.seenByGuest(ctx, account)
}

// seenByGuest does with the account what the guest may and may not.
func (d *Demo) seenByGuest(ctx context.Context, account string) error {
	var list struct{ Buckets []bucketAnswer }
	if _, err := d.guest.Call(ctx, http.MethodGet, account+"/buckets", nil, &list); err != nil {
		return err
	}
	if len(list.Buckets) != 1 || list.Buckets[0].Name != d.bucket {
		return fmt.Errorf("the guest sees %v", list.Buckets)
	}
	d.show("of the account's two buckets they see one: %s", list.Buckets[0].Name)
	down, err := d.presignAs(ctx, d.guest, d.bucket, "Download", "inbox/note.txt")
	if err != nil {
		return err
	}
	status, content, err := send(ctx, down, nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("the guest's download: HTTP %d %w", status, err)
	}
	d.show("download inbox/note.txt: HTTP %d, %q", status, content)
	_, err = d.presignAs(ctx, d.guest, d.bucket, "Upload", "intruder.txt")
	if err := d.guestRefused("upload into it", err, http.StatusForbidden); err != nil {
		return err
	}
	_, err = d.presignAs(ctx, d.guest, d.hidden, "Download", "x")
	if err := d.guestRefused("download from "+d.hidden, err, http.StatusNotFound); err != nil {
		return err
	}
	_, err = d.guest.Call(ctx, http.MethodGet, account+"/memberships", nil, nil)
	return d.guestRefused("list the members", err, http.StatusForbidden)
}

// guestRefused shows that the guest was refused as expected.
func (d *Demo) guestRefused(what string, err error, want int) error {
	var status *webclient.Status
	if !errors.As(err, &status) || status.HTTP != want {
		return fmt.Errorf("the guest's try to %s: %w", what, err)
	}
	d.show("%s: HTTP %d %s", what, status.HTTP, status.Reason())
	return nil
}

// within tries until it works, or the time is over.
func within(ctx context.Context, most time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", most, err)
		}
	}
}
