package servers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// replication is what makes an object unreadable when MinIO believes it.
var replication = map[string]string{
	"X-Minio-Replication-Server-Side-Encryption-Sealed-Key":     "x",
	"X-Minio-Replication-Server-Side-Encryption-Seal-Algorithm": "DAREv2-HMAC-SHA256",
	"X-Minio-Replication-Server-Side-Encryption-Iv":             "x",
}

// TestDoor_closes_the_replication_hole shows first that the hole is there: the same request
// ruins the object on MinIO itself, and through the door is refused or does no harm.
func TestDoor_closes_the_replication_hole(t *testing.T) {
	s := startStorage(t)
	direct, err := minio.New(s.minio.Address(), &minio.Options{Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: "eu-central-1"})
	if err != nil {
		t.Fatal(err)
	}
	ruined := func(t *testing.T, key string) error {
		t.Helper()
		object, err := direct.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = object.Close() }()
		_, err = io.ReadAll(object)
		return err
	}
	ways := []struct {
		name    string
		send    func(t *testing.T, c *minio.Client, key string) response
		refused bool
	}{
		{"header added to a link", withHeaders, false},
		{"parameter of a link", withParameters, true},
		{"field of a form", withFields, true},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			if res := way.send(t, direct, "direct"); res.status >= 300 {
				t.Fatalf("MinIO itself answers %s", res)
			}
			if ruined(t, "direct") == nil {
				t.Error("MinIO itself gives the object back: the hole is closed, and this test proves nothing")
			}
			res := way.send(t, s.s3, way.name)
			if way.refused {
				refused(t, res)
				return
			}
			if err := ruined(t, way.name); res.status != http.StatusOK || err != nil {
				t.Errorf("through the door: %s, then %v", res, err)
			}
			info, err := s.s3.StatObject(t.Context(), bucket, way.name, minio.StatObjectOptions{})
			if err != nil || info.LastModified.Year() == 2001 {
				t.Errorf("the client chose the time of the object: %v, %v", info.LastModified, err)
			}
		})
	}
}

func withHeaders(t *testing.T, c *minio.Client, key string) response {
	t.Helper()
	link, err := c.PresignedPutObject(t.Context(), bucket, key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	header := maps.Clone(replication)
	header["x-minio-source-mtime"] = "2001-01-01T00:00:00Z"
	header["X-Minio-Source-Replication-Request"] = "true"
	return send(t, http.MethodPut, link.String(), header, "readable")
}

func withParameters(t *testing.T, c *minio.Client, key string) response {
	t.Helper()
	parameters := url.Values{}
	for name, value := range replication {
		parameters.Set(strings.ToLower(name), value)
	}
	link, err := c.Presign(t.Context(), http.MethodPut, bucket, key, time.Minute, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPut, link.String(), nil, "readable")
}

func withFields(t *testing.T, c *minio.Client, key string) response {
	t.Helper()
	now := time.Now().UTC()
	fields := maps.Clone(replication)
	maps.Copy(fields, map[string]string{
		"bucket": bucket, "key": key, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": now.Format("20060102T150405Z"),
		"X-Amz-Credential": rootUser + now.Format("/20060102") + "/eu-central-1/s3/aws4_request",
	})
	conditions := []map[string]string{}
	for name, value := range fields {
		conditions = append(conditions, map[string]string{name: value})
	}
	policy, err := json.Marshal(map[string]any{"expiration": now.Add(time.Minute).Format(time.RFC3339), "conditions": conditions})
	if err != nil {
		t.Fatal(err)
	}
	fields["Policy"] = base64.StdEncoding.EncodeToString(policy)
	fields["X-Amz-Signature"] = signer.PostPresignSignatureV4(fields["Policy"], now, rootPassword, "eu-central-1")
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for name, value := range fields {
		if err := parts.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	file, err := parts.CreateFormFile("file", key)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(file, "readable")
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPost, c.EndpointURL().String()+"/"+bucket, map[string]string{"Content-Type": parts.FormDataContentType()}, form.String())
}
