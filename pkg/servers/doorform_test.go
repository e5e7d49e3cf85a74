package servers_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/servers"
)

// postedForm is a form that a tenant signed, and what is done to it before it is sent.
type postedForm struct {
	address string
	fields  map[string]string
	// file is the content, behind stands after it.
	file   []byte
	behind map[string]string
	// host is another Host than the address has, authorization a header.
	host, authorization string
	// rewrite changes the bytes.
	rewrite func(string) string
}

// signForm signs a form for keys that begin with a prefix, and files of at most 32 MiB.
func signForm(t *testing.T, c *minio.Client, prefix string) postedForm {
	t.Helper()
	rules := minio.NewPostPolicy()
	for _, err := range []error{
		rules.SetExpires(time.Now().Add(time.Minute)), rules.SetBucket(bucket), rules.SetKeyStartsWith(prefix),
		rules.SetContentType("text/x-form"), rules.SetContentLengthRange(1, 32<<20), rules.SetUserMetadata("author", "a tenant"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	address, fields, err := c.PresignedPostPolicy(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	return postedForm{address: address.String(), fields: fields, file: []byte("content")}
}

func (f postedForm) with(field, value string) postedForm {
	f.fields = maps.Clone(f.fields)
	f.fields[field] = value
	return f
}

// post sends the form. A client of nil is one for plain http.
func (f postedForm) post(t *testing.T, transport http.RoundTripper) (int, string) {
	t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	write := func(fields map[string]string) {
		for name, value := range fields {
			if err := parts.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(f.fields)
	file, err := parts.CreateFormFile("file", "file.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(f.file)
	write(f.behind)
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	text := body.String()
	if f.rewrite != nil {
		text = f.rewrite(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.address, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", parts.FormDataContentType())
	if f.authorization != "" {
		req.Header.Set("Authorization", f.authorization)
	}
	if f.host != "" {
		req.Host = f.host
	}
	return do(t, req, transport)
}

func TestDoor_passes_on_forms_with_nothing_but_S3s_own_fields(t *testing.T) {
	d := openDoors(t)
	large := make([]byte, 20<<20)
	_, _ = rand.Read(large)
	for _, secure := range []bool{false, true} {
		c, seen := d.client(t, secure)
		prefix := fmt.Sprintf("secure-%v/", secure)
		form := signForm(t, c, prefix)
		byHost := form
		byHost.host = bucket + "." + domain
		byHost.address = strings.TrimSuffix(strings.TrimSuffix(form.address, "/"), "/"+bucket) + "/"
		many := form.with("key", prefix+"large")
		many.file = large
		empty := form.with("key", prefix+"empty")
		empty.file = nil
		escape := form.with("key", prefix+"../escaped")
		tooLarge := form
		tooLarge.file = make([]byte, 32<<20+1)
		for name, step := range map[string]struct {
			form   postedForm
			status int
			says   string
			key    string
		}{
			"a key under the prefix":       {form.with("key", prefix+"a/ä.txt"), http.StatusNoContent, "", "a/ä.txt"},
			"the file's name":              {form.with("key", prefix+"${filename}"), http.StatusNoContent, "", "file.txt"},
			"a bucket as the host":         {byHost.with("key", prefix+"host"), http.StatusNoContent, "", "host"},
			"a large file":                 {many, http.StatusNoContent, "", "large"},
			"an empty file":                {empty, http.StatusBadRequest, "<Code>EntityTooSmall</Code>", ""},
			"more than the policy allows":  {tooLarge.with("key", prefix+"b"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>", ""},
			"a key outside the prefix":     {form.with("key", "other"), http.StatusForbidden, "<Code>AccessDenied</Code>", ""},
			"a key that climbs out":        {escape, http.StatusBadRequest, "", ""},
			"a field not in the policy":    {form.with("key", prefix+"b").with("x-amz-meta-b", "c"), http.StatusForbidden, "must appear in the list of policy conditions", ""},
			"a field that is ignored":      {form.with("key", prefix+"c").with("x-ignore-b", "c"), http.StatusNoContent, "", "c"},
			"a signature that is not good": {form.with("key", prefix+"b").with("x-amz-signature", strings.Repeat("0", 64)), http.StatusForbidden, "<Code>SignatureDoesNotMatch</Code>", ""},
		} {
			t.Run(fmt.Sprintf("%s, https: %v", name, secure), func(t *testing.T) {
				status, text := step.form.post(t, seen.RoundTripper)
				if status != step.status || !strings.Contains(text, step.says) || strings.Contains(text, " here") {
					t.Fatalf("answers %d %s", status, text)
				}
				if step.key == "" {
					return
				}
				object, err := d.root.GetObject(t.Context(), bucket, prefix+step.key, minio.GetObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(object)
				if err != nil || !bytes.Equal(got, step.form.file) {
					t.Errorf("%d bytes arrived, %v", len(got), err)
				}
				if info, err := object.Stat(); err != nil || info.ContentType != "text/x-form" || info.UserMetadata["Author"] != "a tenant" {
					t.Errorf("what the form said of it: %v, %v", info, err)
				}
			})
		}
	}
}

func TestDoor_refuses_forms_that_reach_for_MinIOs_internal_headers(t *testing.T) {
	s := startStorage(t)
	form := signForm(t, s.s3, "")
	direct, err := minio.New(s.minio.Address(), &minio.Options{Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: region})
	if err != nil {
		t.Fatal(err)
	}
	const sealed, iv, field = "x-minio-replication-server-side-encryption-sealed-key", "X-Minio-Replication-Server-Side-Encryption-Iv", `name="x-ignore-me"`
	instead := func(disposition string) postedForm {
		f := form.with("x-ignore-me", "x")
		f.rewrite = func(text string) string { return strings.Replace(text, field, disposition, 1) }
		return f
	}
	unread := form
	unread.rewrite = func(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
	elsewhere, query, signed := form, form, form
	signed.authorization = "Bearer x"
	elsewhere.address = strings.TrimSuffix(form.address, "/") + "/object"
	query.address += "?x-id=PostObject"
	cases := map[string]struct {
		form   postedForm
		status int
		code   string
	}{
		"the field":                  {form.with(iv, "x"), http.StatusForbidden, "AccessDenied"},
		"the field in small letters": {form.with(sealed, "x"), http.StatusForbidden, "AccessDenied"},
		"the status of a replica":    {form.with("x-amz-replication-status", "REPLICA"), http.StatusForbidden, "AccessDenied"},
		"metadata of MinIO's own":    {form.with("x-minio-meta-a", "x"), http.StatusForbidden, "AccessDenied"},
		"an archive":                 {form.with("X-Amz-Meta-Snowball-Auto-Extract", "true"), http.StatusForbidden, "AccessDenied"},
		"tags":                       {form.with("tagging", "<Tagging/>"), http.StatusForbidden, "AccessDenied"},
		"many objects at once":       {form.with("x-minio-fanout-list", `{"key":"a"}`), http.StatusForbidden, "AccessDenied"},
		"a field twice":              {form.with("KEY", "x"), http.StatusForbidden, "AccessDenied"},
		"an encoded name":            {instead(`name*=utf-8''` + iv), http.StatusBadRequest, "MalformedPOSTRequest"},
		"an encoded name behind one": {instead(field + `; name*=utf-8''` + iv), http.StatusBadRequest, "MalformedPOSTRequest"},
		"a folded header":            {instead("\r\n " + `name="` + iv + `"`), http.StatusBadRequest, "MalformedPOSTRequest"},
		"bare line ends":             {unread, http.StatusBadRequest, "MalformedPOSTRequest"},
		"too much before the file":   {form.with("x-ignore-me", strings.Repeat("x", 64<<10)), http.StatusBadRequest, "MaxPostPreDataLengthExceededError"},
		"a form for an object":       {elsewhere, http.StatusForbidden, "AccessDenied"},
		"a form signed in two ways":  {signed, http.StatusBadRequest, "InvalidArgument"},
		"a form with a query":        {query, http.StatusForbidden, "AccessDenied"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, text := c.form.with("key", name).post(t, nil)
			if status != c.status || !strings.Contains(text, "<Code>"+c.code+"</Code>") || (c.code != "MaxPostPreDataLengthExceededError" && !strings.Contains(text, " here")) {
				t.Errorf("answers %d %s", status, text)
			}
			if _, err := direct.StatObject(t.Context(), bucket, name, minio.StatObjectOptions{}); err == nil {
				t.Error("the object is there")
			}
		})
	}
	t.Run("what stands behind the file is nothing to MinIO", func(t *testing.T) {
		f := form.with("key", "behind")
		f.behind = maps.Clone(replication)
		f.behind["key"], f.behind["x-amz-meta-author"], f.behind["Content-Type"] = "elsewhere", "somebody", "text/html"
		if status, text := f.post(t, nil); status != http.StatusNoContent {
			t.Fatalf("answers %d %s", status, text)
		}
		if got := s.read(t, "behind", minio.GetObjectOptions{}); string(got) != "content" {
			t.Errorf("it is %q", got)
		}
		info, err := direct.StatObject(t.Context(), bucket, "behind", minio.StatObjectOptions{})
		if err != nil || info.ContentType != "text/x-form" || info.UserMetadata["Author"] != "a tenant" {
			t.Errorf("it has %v, %v", info, err)
		}
	})
	t.Run("a body that is no form, in whatever case its type is", func(t *testing.T) {
		for _, kind := range []string{"multipart/form-data; boundary=x", "Multipart/Form-Data; boundary=x", "multipart/form-data", "text/x; multipart/form-data"} {
			res := send(t, http.MethodPost, s.door.Endpoint()+"/"+bucket, map[string]string{"Content-Type": kind}, "x")
			if res.status != http.StatusBadRequest || !strings.Contains(res.body, "<Code>MalformedPOSTRequest</Code>") || !strings.Contains(res.body, " here") {
				t.Errorf("%s: answers %s", kind, res)
			}
		}
	})
}

func TestDoor_bounds_how_much_and_how_slowly_a_form_brings(t *testing.T) {
	s := startStorage(t)
	head := func(lines ...string) string {
		return "POST /" + bucket + " HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	}
	_, from := conversation(t, s.door, head("Content-Length: 5369000000"))
	answered(t, from, http.StatusBadRequest, "<Code>EntityTooLarge</Code>")
	_, from = conversation(t, s.door, head("Transfer-Encoding: chunked"))
	answered(t, from, http.StatusLengthRequired, "<Code>MissingContentLength</Code>")
	// 5 GiB of file and its fields may come: the door looks at what does.
	_, from = conversation(t, s.door, head("Content-Length: 5368800000")+"no form\r\n")
	answered(t, from, http.StatusBadRequest, "<Code>MalformedPOSTRequest</Code>")

	door, err := servers.StartDoor(t.Context(), servers.DoorConfig{Dir: t.TempDir(), Upstream: s.minio.Address(), Env: []string{"PRIMECLOUD_DOOR_STALLED=2s"}})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, door.Server)
	_, from = conversation(t, door, head("Content-Length: 1000")+"--b\r\nContent-Disposition")
	answered(t, from, http.StatusBadRequest, "<Code>RequestTimeout</Code>")
}
