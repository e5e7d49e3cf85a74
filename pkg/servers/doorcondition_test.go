package servers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// trick is what a client adds to a request to choose what its policy's conditions look at.
type trick struct {
	name, query string
	header      map[string]string
	// bare is set where the trick works at MinIO itself: that is what the door is for.
	bare bool
}

func TestDoor_lets_no_client_choose_what_its_policy_looks_at(t *testing.T) {
	d := openDoors(t)
	// Two keys: one for a network that is not ours, one for the listing of a folder.
	d.tenant(t, "elsewhere", "elsewhere-secret", fmt.Sprintf(`{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"],
		"Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24"]}}}`, bucket))
	d.tenant(t, "folder", "folder-secret", fmt.Sprintf(`{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::%s"],
		"Condition":{"StringLike":{"s3:prefix":["mine/*"]}}}`, bucket))
	for _, key := range []string{"mine/1", "secret/1"} {
		if _, err := d.root.PutObject(t.Context(), bucket, key, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	object, folder := "/"+bucket+"/mine/1", "/"+bucket
	const inside = "203.0.113.7"
	addresses := []trick{
		{"nothing", "", nil, false},
		{"X-Forwarded-For", "", map[string]string{"X-Forwarded-For": inside}, true},
		{"a list in X-Forwarded-For", "", map[string]string{"X-Forwarded-For": inside + ", 127.0.0.1"}, true},
		{"X-Real-IP", "", map[string]string{"X-Real-IP": inside}, true},
		{"Forwarded", "", map[string]string{"Forwarded": "for=" + inside}, true},
		{"X-Forwarded-For called a matter of the connection", "", map[string]string{"X-Forwarded-For": inside, "Connection": "X-Forwarded-For"}, true},
		{"a header called like the condition", "", map[string]string{"SourceIp": inside}, true},
		{"a parameter called like the condition", "SourceIp=" + inside, nil, true},
		{"a parameter in its canonical form", "Sourceip=" + inside, nil, true},
		{"an encoded parameter", "Source%49p=" + inside, nil, true},
	}
	for _, c := range addresses {
		t.Run("network: "+c.name, func(t *testing.T) { d.tricked(t, c, object, "elsewhere") })
	}
	listings := []trick{
		{"nothing", "prefix=secret/", nil, false},
		{"a header called Prefix", "prefix=secret/", map[string]string{"Prefix": "mine/x"}, true},
		{"a second prefix", "prefix=secret/&prefix=mine/", nil, true},
		{"a Prefix in capitals", "Prefix=mine/&prefix=secret/", nil, true},
		{"an encoded Prefix", "%50refix=mine/&prefix=secret/", nil, true},
	}
	for _, c := range listings {
		t.Run("folder: "+c.name, func(t *testing.T) { d.tricked(t, c, folder, "folder") })
	}
	t.Run("and what is allowed is still allowed", func(t *testing.T) {
		client, err := minio.New(d.http.Address(), &minio.Options{Creds: credentials.NewStaticV4("folder", "folder-secret", ""), Region: region})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for o := range client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: "mine/", Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d objects are listed", n)
		}
		balanced := d.door(t, doorBehindBalancer)
		status, text := d.tried(t, trick{header: map[string]string{"X-Forwarded-For": inside}}, balanced.Endpoint()+object, "elsewhere")
		if status != http.StatusOK {
			t.Errorf("behind a trusted balancer the address it names gets %d %s", status, text)
		}
	})
}

// tricked tries a trick on MinIO itself and through both doors, with the header and with a link.
func (d *doors) tricked(t *testing.T, c trick, path, key string) {
	t.Helper()
	status, text := d.tried(t, c, d.minio.Endpoint()+path, key)
	if worked := status == http.StatusOK; worked != c.bare {
		t.Errorf("MinIO itself answers %d %s", status, text)
	}
	if status, text = d.tried(t, c, d.http.Endpoint()+path, key); status != http.StatusForbidden {
		t.Errorf("through the door it works: %d %s", status, text)
	}
}

// tried sends the request by a link: that leaves headers unsigned.
func (d *doors) tried(t *testing.T, c trick, address, key string) (int, string) {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	target.RawQuery = c.query
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	signed := signer.PreSignV4(*req, key, key+"-secret", "", region, int64(time.Minute/time.Second))
	if _, rest, repeated := strings.Cut(c.query, "&"); repeated && rest != "" {
		// The signer sorts parameters of one name behind each other; MinIO sorts likewise, and reads the first as sent.
		signed.URL.RawQuery = c.query + "&" + without(signed.URL.RawQuery, c.query)
	}
	for name, value := range c.header {
		signed.Header.Set(name, value)
	}
	return do(t, signed, nil)
}

// without takes from a query what has the names of another one.
func without(query, other string) string {
	names := map[string]bool{}
	for pair := range strings.SplitSeq(other, "&") {
		name, _, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(name)
		names[plain] = true
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); !names[name] {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
