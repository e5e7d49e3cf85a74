package clientconfig_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/clientconfig"
)

var given = clientconfig.Credentials{
	ID: "ABCDEFGHIJKLMNOPQRST", Secret: "abc-_def0123456789012345678901234567890x", Endpoint: "https://s3.example.com:9000", Region: "eu-west-1",
}

// sections reads an INI file: what the AWS tools, rclone and s3cmd have in common.
func sections(t *testing.T, content string) map[string]map[string]string {
	t.Helper()
	found, section := map[string]map[string]string{"": {}}, ""
	for lines := bufio.NewScanner(strings.NewReader(content)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			found[section] = map[string]string{}
			continue
		}
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("no assignment: %q", line)
		}
		found[section][strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return found
}

func TestEachFile_is_read_back_as_what_was_given(t *testing.T) {
	for format, c := range map[clientconfig.Format]struct {
		name, section string
		want          map[string]string
	}{
		clientconfig.Env: {".env", "", map[string]string{
			"AWS_ACCESS_KEY_ID": given.ID, "AWS_SECRET_ACCESS_KEY": given.Secret, "AWS_REGION": given.Region, "AWS_ENDPOINT_URL_S3": given.Endpoint,
		}},
		clientconfig.AWS: {"credentials", "primecloud", map[string]string{
			"aws_access_key_id": given.ID, "aws_secret_access_key": given.Secret, "region": given.Region, "endpoint_url": given.Endpoint,
		}},
		clientconfig.Rclone: {"rclone.conf", "primecloud", map[string]string{
			"type": "s3", "access_key_id": given.ID, "secret_access_key": given.Secret, "endpoint": given.Endpoint, "no_check_bucket": "true",
		}},
		clientconfig.S3cmd: {".s3cfg", "default", map[string]string{
			"access_key": given.ID, "secret_key": given.Secret, "host_base": "s3.example.com:9000", "host_bucket": "s3.example.com:9000", "use_https": "True",
		}},
	} {
		t.Run(string(format), func(t *testing.T) {
			for _, f := range clientconfig.Render(given) {
				if f.Format != format {
					continue
				}
				if f.Name != c.name || !strings.HasSuffix(f.Content, "\n") {
					t.Errorf("%s: %q", f.Name, f.Content)
				}
				got := sections(t, f.Content)[c.section]
				for key, want := range c.want {
					if got[key] != want {
						t.Errorf("%s is %q", key, got[key])
					}
				}
				return
			}
			t.Error("there is no such file")
		})
	}
}

func TestTheCredentialsFile_is_read_by_a_client_library(t *testing.T) {
	path := t.TempDir() + "/credentials"
	for _, f := range clientconfig.Render(given) {
		if f.Format == clientconfig.AWS {
			write(t, path, f.Content)
		}
	}
	got, err := credentials.NewFileAWSCredentials(path, "primecloud").GetWithContext(nil)
	if err != nil || got.AccessKeyID != given.ID || got.SecretAccessKey != given.Secret {
		t.Errorf("got %v, %v", got, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
