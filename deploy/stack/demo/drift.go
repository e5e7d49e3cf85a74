package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// drift removes a bucket on MinIO itself, past the suite, and shows that this is found, told
// and repaired.
func (d *Demo) drift(ctx context.Context) error {
	root, err := d.client(d.target.MinIO, d.target.MinIOUser, d.target.MinIOPassword)
	if err != nil {
		return err
	}
	if err := root.RemoveBucket(ctx, d.hidden); err != nil {
		return err
	}
	d.show("bucket %s removed on MinIO by its administrator", d.hidden)
	account := "/v1/accounts/" + d.account
	if _, err := d.web.Call(ctx, http.MethodPost, account+"/buckets/"+d.hidden+":reconcile", map[string]string{}, nil); err != nil {
		return err
	}
	err = within(ctx, 20*time.Second, func() error {
		var list struct {
			Drifts []struct{ Kind, ResourceName, Desired, Observed, RepairTime string }
		}
		if _, err := d.web.Call(ctx, http.MethodGet, account+"/storageDrifts", nil, &list); err != nil {
			return err
		}
		for _, f := range list.Drifts {
			if f.ResourceName == d.hidden && f.Kind == "KIND_MISSING" && f.RepairTime != "" {
				d.show("found: %s wanted %s, was %s; repaired at %s", f.ResourceName, f.Desired, f.Observed, f.RepairTime)
				return nil
			}
		}
		return fmt.Errorf("the finding is not among %d", len(list.Drifts))
	})
	if err != nil {
		return err
	}
	there, err := root.BucketExists(ctx, d.hidden)
	if err != nil || !there {
		return fmt.Errorf("the bucket is not back: %v, %w", there, err)
	}
	d.show("MinIO has it again, with its settings")
	return nil
}
