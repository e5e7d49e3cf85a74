package storage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestTestConnection_says_in_words_what_is_wrong(t *testing.T) {
	minio := testkit.MinIO(t)
	door := testkit.Door(t, minio.MinIO)
	w := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT"] = door.Endpoint() })
	acc, bucket, other := account(), name(), name()
	w.create(acc, bucket)
	w.create(acc, other)
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	try := func(t *testing.T, account, id, secret, bucket string) *storagev1.TestConnectionResponse {
		t.Helper()
		got, err := w.keys.TestConnection(w.as(account), &storagev1.TestConnectionRequest{
			AccountId: account, AccessKeyId: id, SecretAccessKey: secret, Bucket: bucket,
		})
		if err != nil {
			t.Fatal(err)
		}
		if text := got.String(); strings.Contains(text, id) || strings.Contains(text, secret) {
			t.Errorf("it repeats what it was given: %s", text)
		}
		return got
	}
	fails := func(t *testing.T, got *storagev1.TestConnectionResponse, step, words string) {
		t.Helper()
		last := got.GetSteps()[len(got.GetSteps())-1]
		if got.GetWorks() || last.GetPassed() || last.GetName() != step || !strings.Contains(last.GetMessage(), words) || last.GetRemedy() == "" || got.GetSummary() != last.GetMessage() {
			t.Errorf("got %v", got)
		}
	}
	id, secret := k.GetAccessKeyId(), k.secret
	t.Run("a good key passes every step, at the public endpoint", func(t *testing.T) {
		for _, on := range []string{"", bucket} {
			got := try(t, acc, id, secret, on)
			var names []string
			for _, s := range got.GetSteps() {
				names = append(names, s.GetName())
			}
			if !got.GetWorks() || got.GetEndpoint() != door.Endpoint() || strings.Join(names, " ") != "NETWORK TLS DOOR CLOCK ACCOUNT KEY SECRET BUCKET" {
				t.Errorf("%v: %v", names, got)
			}
		}
	})
	t.Run("an unknown key, another account's, a wrong secret, another bucket", func(t *testing.T) {
		fails(t, try(t, acc, "AAAAAAAAAAAAAAAAAAAA", secret, ""), "KEY", "no key of this access key id")
		fails(t, try(t, account(), id, secret, ""), "KEY", "no key of this access key id")
		fails(t, try(t, acc, id, secret[:39]+"~", bucket), "SECRET", "wrong")
		fails(t, try(t, acc, id, secret, other), "BUCKET", "not granted")
	})
	t.Run("a key that was switched off, or rotated", func(t *testing.T) {
		if _, err := w.keys.DisableAccessKey(w.as(acc), &storagev1.DisableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
			t.Fatal(err)
		}
		fails(t, try(t, acc, id, secret, ""), "KEY", "switched off")
		if _, err := w.keys.EnableAccessKey(w.as(acc), &storagev1.EnableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{AccountId: acc, KeyId: k.GetId(), Overlap: durationpb.New(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if got := try(t, acc, id, secret, ""); !got.GetWorks() {
			t.Errorf("in the overlap: %v", got)
		}
	})
	t.Run("a key that is bound to networks cannot be tried from here, and is said to be granted", func(t *testing.T) {
		far := w.askKey(&storagev1.CreateAccessKeyRequest{AccountId: acc, Grants: grants(readWrite, bucket), Networks: []string{"192.0.2.0/24"}})
		got := try(t, acc, far.GetAccessKeyId(), far.secret, bucket)
		if !got.GetWorks() || !strings.Contains(got.String(), "192.0.2.0/24 alone") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a backend that is not there is refused", func(t *testing.T) {
		_, err := w.keys.TestConnection(w.as(acc), &storagev1.TestConnectionRequest{AccountId: acc, AccessKeyId: id, SecretAccessKey: secret, Backend: "nowhere"})
		refused(t, err, errs.InvalidArgument, "BACKEND_UNKNOWN")
	})
	t.Run("an account that is stopped", func(t *testing.T) {
		w.says(stands(acc, "suspended", suspended, 5))
		testkit.Eventually(t, patience, func() error {
			if got := try(t, acc, id, secret, ""); !strings.Contains(got.GetSummary(), "not in use") {
				return errs.New(errs.Internal, "STILL", got.GetSummary())
			}
			return nil
		})
		fails(t, try(t, acc, id, secret, ""), "ACCOUNT", "not in use")
	})
	t.Run("an endpoint that does not answer", func(t *testing.T) {
		if err := door.Kill(); err != nil {
			t.Fatal(err)
		}
		fails(t, try(t, acc, id, secret, ""), "NETWORK", "cannot be reached")
	})
}

func TestTestConnection_tells_what_is_wrong_with_certificate_and_clock(t *testing.T) {
	minio := testkit.MinIO(t)
	door := testkit.Door(t, minio.MinIO)
	behind, err := url.Parse(door.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	off := 20 * time.Minute
	front := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Host = r.In.Host },
		ModifyResponse: func(res *http.Response) error {
			res.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	try := func(t *testing.T, endpoint, step, words string) {
		t.Helper()
		w := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT"] = endpoint })
		acc, bucket := account(), name()
		w.create(acc, bucket)
		k := w.createKey(w.as(acc), acc, readWrite, bucket)
		got, err := w.keys.TestConnection(w.as(acc), &storagev1.TestConnectionRequest{AccountId: acc, AccessKeyId: k.GetAccessKeyId(), SecretAccessKey: k.secret})
		if err != nil {
			t.Fatal(err)
		}
		last := got.GetSteps()[len(got.GetSteps())-1]
		if got.GetWorks() || last.GetPassed() || last.GetName() != step || !strings.Contains(last.GetMessage(), words) || last.GetRemedy() == "" {
			t.Errorf("got %v", got)
		}
	}
	for name, c := range map[string]struct {
		leaf  x509.Certificate
		words string
	}{
		"of an authority that nobody knows": {x509.Certificate{NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, "unknown authority"},
		"that has expired":                  {x509.Certificate{NotAfter: time.Now().Add(-time.Minute), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, "expired"},
		"for another name":                  {x509.Certificate{NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"s3.example.com"}}, "another name"},
	} {
		t.Run("a certificate "+name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(front)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, c.leaf)}, MinVersion: tls.VersionTLS12}
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // that clients turn away is what is asked for
			server.StartTLS()
			defer server.Close()
			try(t, server.URL, "TLS", c.words)
		})
	}
	t.Run("TLS expected where none is spoken", func(t *testing.T) {
		try(t, "https://"+behind.Host, "TLS", "does not speak TLS")
	})
	for name, by := range map[string]time.Duration{"ahead": 20 * time.Minute, "behind": -20 * time.Minute} {
		t.Run("a clock that is "+name, func(t *testing.T) {
			off = by
			server := httptest.NewServer(front)
			defer server.Close()
			try(t, server.URL, "CLOCK", "apart")
		})
	}
}

// selfSigned makes a certificate that vouches for itself.
func selfSigned(t *testing.T, leaf x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf.SerialNumber, leaf.NotBefore = big.NewInt(1), time.Now().Add(-time.Hour)
	raw, err := x509.CreateCertificate(rand.Reader, &leaf, &leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
