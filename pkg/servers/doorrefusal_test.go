package servers_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/servers"
)

func TestDoor_refuses_real_clients_what_is_not_for_tenants(t *testing.T) {
	d := openDoors(t)
	u := newUpload(t)
	small := filepath.Join(u.dir, "small file+ü.txt")
	// The platform's administrator, who may do everything, shows that it is the door that refuses.
	d.alias(t, "door", d.http.Endpoint(), rootUser, rootPassword, "on")
	d.alias(t, "tenant", d.http.Endpoint(), tenantKey, tenantSecret, "on")
	mc := func(args ...string) func(t *testing.T) (string, error) {
		return func(t *testing.T) (string, error) {
			return d.run(t, nil, d.mc, append([]string{"--config-dir", d.settings}, args...)...)
		}
	}
	aws := func(args ...string) func(t *testing.T) (string, error) {
		return func(t *testing.T) (string, error) {
			return d.run(t, []string{
				"AWS_ACCESS_KEY_ID=" + tenantKey, "AWS_SECRET_ACCESS_KEY=" + tenantSecret, "AWS_DEFAULT_REGION=" + region,
				"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
			}, "aws", args...)
		}
	}
	endpoint := d.http.Endpoint()
	role := []string{"sts", "assume-role", "--role-arn", "arn:minio:iam:::role/x", "--role-session-name", "xx"}
	cases := []struct {
		name string
		// bare succeeds at MinIO itself; nil where MinIO refuses too.
		bare, door func(t *testing.T) (string, error)
		says       string
	}{
		{"administration", mc("admin", "user", "list", "bare"), mc("admin", "user", "list", "door"), "There is nothing here"},
		{"server information", mc("admin", "info", "--json", "bare"), mc("admin", "info", "door"), ""},
		{"a new key", mc("admin", "user", "svcacct", "add", "bare", tenantKey), mc("admin", "user", "svcacct", "add", "door", tenantKey), "There is nothing here"},
		{"temporary credentials", aws(append([]string{"--endpoint-url", d.minio.Endpoint()}, role...)...), aws(append([]string{"--endpoint-url", endpoint}, role...)...), "calling the AssumeRole operation"},
		{"another's bucket", nil, mc("ls", "tenant/"+foreignBucket), "Access Denied"},
		{"writing to another's bucket", nil, mc("cp", small, "tenant/"+foreignBucket+"/x"), ""},
		{"a new bucket", nil, aws("--endpoint-url", endpoint, "s3api", "create-bucket", "--bucket", "new-bucket"), "AccessDenied"},
		{"publishing a bucket", nil, mc("anonymous", "set", "public", "tenant/"+bucket), "Access Denied"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.bare != nil {
				if out, err := c.bare(t); err != nil {
					t.Fatalf("MinIO itself refuses, so this proves nothing: %v %s", err, out)
				}
			}
			out, err := c.door(t)
			if err == nil {
				t.Fatalf("the client is served: %s", out)
			}
			if !strings.Contains(out+err.Error(), c.says) {
				t.Errorf("the client says %v %s", err, out)
			}
		})
	}
	t.Run("the names of others' buckets", func(t *testing.T) {
		out, err := aws("--endpoint-url", endpoint, "s3api", "list-buckets")(t)
		if err != nil || !strings.Contains(out, `"`+bucket+`"`) || strings.Contains(out, foreignBucket) {
			t.Errorf("%v %s", err, out)
		}
	})
	t.Run("a bucket called minio, as a host", func(t *testing.T) {
		for _, path := range []string{"/health/live", "/admin/v3/info", "/minio/health/live", "//minio/health/live"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "minio." + domain
			if status, text := do(t, req, nil); status != http.StatusForbidden && status != http.StatusNotFound {
				t.Errorf("%s gets %d %s", path, status, text)
			}
		}
	})
	t.Run("MinIO's own headers", func(t *testing.T) { ownHeaders(t, d, small) })
}

// ownHeaders sends headers that MinIO believes when they come from its own kind, with a client that
// adds what it is told to.
func ownHeaders(t *testing.T, d *doors, file string) {
	env := []string{
		"RCLONE_CONFIG=" + filepath.Join(t.TempDir(), "none"), "RCLONE_CONFIG_DOOR_TYPE=s3", "RCLONE_CONFIG_DOOR_PROVIDER=Minio",
		"RCLONE_CONFIG_DOOR_ACCESS_KEY_ID=" + tenantKey, "RCLONE_CONFIG_DOOR_SECRET_ACCESS_KEY=" + tenantSecret,
		"RCLONE_CONFIG_DOOR_REGION=" + region, "RCLONE_CONFIG_DOOR_NO_CHECK_BUCKET=true", "RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1",
	}
	put := func(t *testing.T, endpoint, name string) error {
		args := []string{"--ignore-checksum", "copyto", file, "door:" + bucket + "/" + name}
		for header, value := range replication {
			args = append(args, "--header", header+": "+value)
		}
		_, err := d.run(t, append(env, "RCLONE_CONFIG_DOOR_ENDPOINT="+endpoint), "rclone", args...)
		return err
	}
	get := func(t *testing.T, name string) error {
		return d.root.FGetObject(t.Context(), bucket, name, filepath.Join(t.TempDir(), "got"), minio.GetObjectOptions{})
	}
	if err := put(t, d.minio.Endpoint(), "bare"); get(t, "bare") == nil {
		t.Error(err, "MinIO itself gives the object back: the hole is closed, and this test proves nothing")
	}
	if err := put(t, d.http.Endpoint(), "door"); err == nil {
		if err := get(t, "door"); err != nil {
			t.Errorf("through the door the object is ruined: %v", err)
		}
	} else if !strings.Contains(err.Error(), "SignatureDoesNotMatch") && !strings.Contains(err.Error(), "403") {
		t.Errorf("the client hears %v", err)
	}
}

// A client that sends all before it listens: without the door's patience its connection is reset half a second after the
// answer, and the answer is lost.
func TestDoor_says_why_it_refused_to_a_client_that_sends_all_of_a_body_first(t *testing.T) {
	d := openDoors(t)
	for _, door := range []*servers.Door{d.http, d.door(t, servers.DoorConfig{Env: []string{"PRIMECLOUD_DOOR_STALLED=0"}})} {
		const pieces = 20
		piece := strings.Repeat("x", 1<<20)
		head := func(expect string) string {
			return fmt.Sprintf("PUT /%s/k?partNumber=1&uploadId=Li8u HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n", bucket, door.Address(), pieces*len(piece), expect)
		}
		conn, reader := conversation(t, door, head(""))
		slowly := time.NewTicker(75 * time.Millisecond)
		defer slowly.Stop()
		for range pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatalf("the connection is gone while the client sends: %v", err)
			}
			<-slowly.C
		}
		answered(t, reader, http.StatusNotFound, "<Code>NoSuchUpload</Code>")

		// One that asks first is told at once, and nothing is waited for.
		_, reader = conversation(t, door, head("Expect: 100-continue\r\n"))
		answered(t, reader, http.StatusNotFound, "<Code>NoSuchUpload</Code>")
		began := time.Now()
		if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) || time.Since(began) > 3*time.Second {
			t.Errorf("the connection is closed after %s with %v", time.Since(began), err)
		}
	}
}
