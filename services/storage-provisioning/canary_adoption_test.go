package storage_test

import (
	"errors"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// strays makes keys that are nobody's, watches them, and has them found, refused and adopted.
func (a *aviary) strays(acc, bucket string) {
	a.t.Helper()
	for form, make := range forms {
		one, second := a.known(make(a.world, acc)), a.known(make(a.world, acc))
		_, err := a.adoptKey(a.asClaims(operator), adoption(account(), one, bucket))
		a.hear("adopt "+form+" for an account without the bucket", err)
		_, err = a.adoptKey(a.as(acc), adoption(acc, one, bucket))
		a.hear("adopt "+form+" as somebody else", err)
		for _, id := range []string{one.id, one.secret} {
			request := adoption(acc, found{id: id + "x"}, bucket)
			_, err = a.adoptKey(a.asClaims(operator), request)
			a.hear("adopt what is not there", err)
		}
		testkit.Eventually(a.t, time.Minute, func() error {
			_, err := a.adoptKey(withKey(a.asClaims(operator), "adopt-"+acc+strings.ReplaceAll(form, " ", "-")), adoption(acc, one, bucket))
			a.hear("adopt "+form, err)
			return err
		})
		_, err = a.adoptKey(a.asClaims(operator), adoption(acc, one, bucket))
		a.hear("adopt "+form+" again", err)
		for _, step := range []string{"minio.ReviseKey", "minio.ShapeUser"} {
			a.calls.panicAt(step)
			_, err = a.adoptKey(a.asClaims(operator), adoption(acc, second, bucket))
			a.hear("adopt "+form+" and break", err)
			a.calls.panicAt("")
		}
	}
	a.known(a.strayUser())
	testkit.Eventually(a.t, time.Minute, func() error {
		if n := a.row(`select count(*)::text from storage.drift where resource_kind = 'access_key' and kind = 'EXTRA'`); n == "0" {
			return errors.New("the pass over the backend has found nothing of nobody's")
		}
		return nil
	})
}

// known watches the id and the secret of credentials that somebody else has made.
func (a *aviary) known(one found) found {
	a.watch("the id of a key of nobody's", one.id)
	a.watch("the secret of a key of nobody's", one.secret)
	return one
}

// adoptAnother adopts a key of nobody's, in whatever trouble the backend is.
func (a *aviary) adoptAnother(acc, bucket string, one found) error {
	_, err := a.adoptKey(a.asClaims(operator), adoption(acc, one, bucket))
	return err
}
