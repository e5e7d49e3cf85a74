package storage_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// links is a world with public links; whoever opens one comes through the gateway.
type links struct {
	*world
	acc, bucket string
	shares      storagev1.ShareServiceClient
	public      storagev1.ShareServiceClient
}

func newLinks(t *testing.T) *links {
	t.Helper()
	w := newWorld(t, testkit.MinIO(t))
	l := &links{world: w, acc: account(), bucket: name(), shares: storagev1.NewShareServiceClient(w.conn)}
	l.public = storagev1.NewShareServiceClient(w.service.Channel("gateway"))
	w.create(l.acc, l.bucket)
	return l
}

// visitor is a context in which the gateway calls for somebody at an address.
func (l *links) visitor(address string) context.Context {
	return rpc.WithClient(testkit.Context(l.t), address, "a browser")
}

const office = "203.0.113.7"

// share makes a share that must come to be.
func (l *links) share(scope storagev1.ShareScope, path string, change ...func(*storagev1.CreateShareRequest)) *storagev1.CreateShareResponse {
	l.t.Helper()
	r := &storagev1.CreateShareRequest{AccountId: l.acc, Bucket: l.bucket, DisplayName: "holiday", Scope: scope, Path: path}
	for _, c := range change {
		c(r)
	}
	made, err := l.shares.CreateShare(l.as(l.acc), r)
	if err != nil {
		l.t.Fatal(err)
	}
	return made
}

// open resolves a link from the office.
func (l *links) open(token string, change ...func(*storagev1.ResolveShareRequest)) (*storagev1.ResolveShareResponse, error) {
	l.t.Helper()
	return l.openAt(office, token, change...)
}

func (l *links) openAt(address, token string, change ...func(*storagev1.ResolveShareRequest)) (*storagev1.ResolveShareResponse, error) {
	r := &storagev1.ResolveShareRequest{Token: token}
	for _, c := range change {
		c(r)
	}
	return l.public.ResolveShare(l.visitor(address), r)
}

func withPassword(p string) func(*storagev1.ResolveShareRequest) {
	return func(r *storagev1.ResolveShareRequest) { r.Password = p }
}

func ofKey(key string) func(*storagev1.ResolveShareRequest) {
	return func(r *storagev1.ResolveShareRequest) { r.Key = key }
}

func asUpload(name string, size int64) func(*storagev1.ResolveShareRequest) {
	return func(r *storagev1.ResolveShareRequest) { r.UploadName, r.UploadSize = name, size }
}

// log returns the access log, oldest first, as "OUTCOME address key".
func (l *links) log(shareID string) []string {
	l.t.Helper()
	var lines []string
	token := ""
	for {
		page, err := l.shares.ListShareAccesses(l.as(l.acc), &storagev1.ListShareAccessesRequest{AccountId: l.acc, ShareId: shareID, PageSize: 3, PageToken: token})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, a := range page.GetShareAccesses() {
			if a.GetUserAgent() == "" || a.GetTime() == nil || a.GetShareId() != shareID {
				l.t.Errorf("an entry is not whole: %v", a)
			}
			outcome := strings.TrimPrefix(a.GetOutcome().String(), "OUTCOME_")
			lines = append([]string{strings.TrimSpace(outcome + " " + a.GetAddress() + " " + a.GetKey())}, lines...)
		}
		if token = page.GetNextPageToken(); token == "" {
			return lines
		}
	}
}

// get fetches a URL without following redirects.
func (l *links) get(url string) (int, string) {
	l.t.Helper()
	status, body, _ := send(l.t, http.MethodGet, url, "", nil)
	return status, body
}

// putTo sends an upload as a browser would.
func (l *links) putTo(up *storagev1.SharedUpload, content string) (int, string) {
	l.t.Helper()
	status, answer, _ := send(l.t, up.GetMethod(), up.GetUrl(), content, up.GetHeaders())
	return status, answer
}

// content reads an object behind everybody's back.
func (l *links) content(key string) string {
	l.t.Helper()
	object, err := l.s3().GetObject(testkit.Context(l.t), l.bucket, key, client.GetObjectOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	raw, err := io.ReadAll(object)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(raw)
}
