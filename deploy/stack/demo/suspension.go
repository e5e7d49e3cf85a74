package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// suspension has the platform stop the account, and shows that what the tenant has in hand
// stops with it and comes back as it was.
func (d *Demo) suspension(ctx context.Context) error {
	down, err := d.presign(ctx, "Download", "inbox/note.txt")
	if err != nil {
		return err
	}
	operator := webclient.New(d.target.Gateway)
	if err := operator.Login(ctx, d.target.Operator, d.target.OperatorPassword); err != nil {
		return err
	}
	for _, act := range []struct {
		verb, reason string
		want         int
	}{
		{"suspend", "the demo shows a suspension", http.StatusForbidden},
		{"restore", "the demo is over", http.StatusOK},
	} {
		var account struct{ State string }
		_, err := operator.Call(ctx, http.MethodPost, "/v1/platform/accounts/"+d.account+":"+act.verb,
			map[string]string{"reason": act.reason}, &account, webclient.Key("demo-"+act.verb+"-"+d.suffix))
		if err != nil {
			return err
		}
		began := time.Now()
		if err := within(ctx, 20*time.Second, func() error { return d.inHand(ctx, down, act.want) }); err != nil {
			return err
		}
		d.show("%s: the account is %s; the URL and the key that it has in hand get HTTP %d after %s",
			act.verb, account.State, act.want, time.Since(began).Round(100*time.Millisecond))
	}
	return nil
}

// inHand reports whether URL and key get the answer.
func (d *Demo) inHand(ctx context.Context, down signed, want int) error {
	status, _, err := send(ctx, down, nil)
	if err != nil || status != want {
		return fmt.Errorf("the URL: HTTP %d %w", status, err)
	}
	s3, err := d.client(d.target.S3, d.key.accessKeyID, d.key.secret)
	if err != nil {
		return err
	}
	status = http.StatusOK
	if _, err := s3.StatObject(ctx, d.bucket, "hello.txt", minio.StatObjectOptions{}); err != nil {
		var refused minio.ErrorResponse
		if !errors.As(err, &refused) {
			return err
		}
		status = refused.StatusCode
	}
	if status != want {
		return fmt.Errorf("the key: HTTP %d", status)
	}
	return nil
}
