package accesskey

import (
	"context"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// switchOff makes the backend refuse the key, in a way that can be undone.
func (s *Service) switchOff(ctx context.Context, j *job, keys Keys) error {
	for _, id := range j.key.ids() {
		if err := s.switchOne(ctx, j, keys, id); err != nil {
			return err
		}
	}
	return nil
}

// switchOne makes the backend refuse credentials of the key.
func (s *Service) switchOne(ctx context.Context, j *job, keys Keys, id string) error {
	if id == j.key.Solo {
		j.acted = true
		return j.strays.ShapeUser(ctx, id, principal.User{})
	}
	revision, err := j.key.revision(false)
	if err != nil {
		return err
	}
	revision.ID = id
	j.acted = true
	_, err = keys.ReviseKey(ctx, revision)
	return err
}

// remove removes the key if it is there, and looks whether it is gone.
func (s *Service) remove(ctx context.Context, j *job, keys Keys) error {
	for _, id := range j.key.ids() {
		if err := s.removeOne(ctx, j, keys, id); err != nil {
			return err
		}
	}
	if j.key.Holder == "" {
		return nil
	}
	existed, err := keys.RemoveHolder(ctx, j.key.Holder, principal.HolderPolicy(j.key.ID))
	j.acted = j.acted || existed
	return err
}

func (s *Service) removeOne(ctx context.Context, j *job, keys Keys, id string) error {
	if id == j.key.Solo {
		return s.removeUser(ctx, j)
	}
	had, err := keys.ObserveKey(ctx, id)
	if err != nil || !had.Exists {
		return err
	}
	j.acted = true
	return keys.RemoveKey(ctx, id)
}

// ids are those of all credentials that the key may have on the backend.
func (k AccessKey) ids() []string {
	ids := []string{k.KeyID}
	if k.FormerKeyID != "" {
		ids = append(ids, k.FormerKeyID)
	}
	return append(ids, k.Doomed...)
}

// former sees to credentials before the last rotation: bounded like the key until their end,
// and gone after. While an operation is open they are only switched off, so that it can go
// back.
func (s *Service) former(ctx context.Context, j *job, keys Keys, user string) error {
	gone := j.key.Doomed
	if j.key.formerEnded(s.Clock.Now()) {
		j.formerGone, gone = true, append([]string{j.key.FormerKeyID}, gone...)
	}
	for _, id := range gone {
		end := s.removeOne
		if j.operation != nil {
			end = s.switchOne
		}
		if err := end(ctx, j, keys, id); err != nil {
			return err
		}
	}
	if j.key.FormerKeyID == "" || j.formerGone {
		return nil
	}
	if j.key.FormerKeyID == j.key.Solo {
		_, err := s.holdUser(ctx, j)
		return err
	}
	before := j.key
	before.KeyID, before.ExpireTime = j.key.FormerKeyID, j.key.FormerEnd
	had, err := keys.ObserveKey(ctx, before.KeyID)
	if err != nil || !had.Exists || had.User != user {
		return err // it has ended early, or is not ours: never touched
	}
	found, err := differences(before, had, user)
	if err != nil || len(found) == 0 {
		return err
	}
	revision, err := before.revision(!before.Disabled)
	if err != nil {
		return err
	}
	j.acted = true
	_, err = keys.ReviseKey(ctx, revision)
	return err
}
