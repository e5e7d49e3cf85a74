package form_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/primecloud/primecloud/deploy/thirdparty/caddy/form"
)

const contentType = "multipart/form-data; boundary=b"

// part is a field as clients write it.
func part(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

const file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n"

func TestReadHead_takes_what_clients_write(t *testing.T) {
	cases := map[string]struct{ contentType, body string }{
		"one field":                  {contentType, part("key", "a") + file + "x\r\n--b--\r\n"},
		"an empty value":             {contentType, part("key", "") + file},
		"lines in a value":           {contentType, part("key", "a\r\nb\n\r--\r\n-") + file},
		"names in any case":          {contentType, part("Policy", "a") + part("X-AMZ-Signature", "b") + file},
		"metadata":                   {contentType, part("x-amz-meta-a.b_c", "a") + part("x-ignore-me", "b") + file},
		"a name without quotes":      {contentType, "--b\r\ncontent-disposition:form-data;name=key\r\n\r\na\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\n"},
		"a part with all headers":    {contentType, "--b\r\nContent-Disposition: form-data; name=\"key\"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 1\r\n\r\na\r\n" + file},
		"a file name in two ways":    {contentType, "--b\r\nContent-Disposition: form-data; name=file; filename=a.txt; filename*=utf-8''%C3%A4.txt\r\n\r\n"},
		"a file name with a quote":   {contentType, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\\\"b; name=x ä.txt\"\r\n\r\n"},
		"a quoted boundary":          {`Multipart/Form-Data; charset=utf-8; boundary="b"`, part("key", "a") + file},
		"what stands after the file": {contentType, part("key", "a") + file + "x\r\n" + part("X-Minio-Replication-Iv", "x") + "--b--\r\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for way, body := range map[string]io.Reader{
				"at once": strings.NewReader(c.body), "byte by byte": iotest.OneByteReader(strings.NewReader(c.body)),
			} {
				head, err := form.ReadHead(c.contentType, body)
				rest, _ := io.ReadAll(body)
				if err != nil || string(head)+string(rest) != c.body {
					t.Errorf("%s: %v, and %q and %q are not what came", way, err, head, rest)
				}
			}
		})
	}
}

func TestReadHead_refuses_fields_that_are_not_S3s_own(t *testing.T) {
	for _, name := range []string{
		"X-Minio-Replication-Server-Side-Encryption-Iv", "x-minio-replication-actual-object-size", "X-MINIO-INTERNAL-x", "x-minio-meta-a",
		"x-minio-fanout-list", "x-amz-replication-status", "x-amz-bucket-replication-status", "x-amz-meta-x-minio-internal-a", "X-Amz-Meta-X-Minio",
		"X-Amz-Meta-Snowball-Auto-Extract", "x-amz-meta-", "x-amz-storage-class", "x-amz-object-lock-mode", "x-amz-tagging", "tagging",
		"x-amz-server-side-encryption", "x-amz-trailer", "x-amz-checksum-x", "authorization", "File", "FILE", "keys", "x-ignore",
	} {
		_, err := form.ReadHead(contentType, strings.NewReader(part("key", "a")+part(name, "x")+file))
		var refused *form.FieldError
		if !errors.As(err, &refused) || refused.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, again := range []string{"key", "KEY", "Key"} {
		_, err := form.ReadHead(contentType, strings.NewReader(part("key", "a")+part(again, "a")+file))
		var refused *form.FieldError
		if !errors.As(err, &refused) {
			t.Errorf("a second %s: %v", again, err)
		}
	}
}

func TestReadHead_refuses_what_could_be_read_in_two_ways(t *testing.T) {
	with := func(disposition string) string {
		return part("key", "a") + "--b\r\nContent-Disposition: " + disposition + "\r\n\r\nx\r\n" + file
	}
	cases := map[string]struct{ contentType, body string }{
		"an encoded name":             {contentType, with(`form-data; name*=utf-8''X-Minio-Replication-Iv`)},
		"an encoded name behind one":  {contentType, with(`form-data; name="acl"; name*=utf-8''X-Minio-Replication-Iv`)},
		"a name in pieces":            {contentType, with(`form-data; name*0="X-Minio-"; name*1="Replication-Iv"`)},
		"two names":                   {contentType, with(`form-data; name="acl"; name="X-Minio-Replication-Iv"`)},
		"an escape in a name":         {contentType, with(`form-data; name="X-Minio\-Replication-Iv"`)},
		"a letter like another":       {contentType, with("form-data; name=\"\u212aey\"")},
		"a space in a name":           {contentType, with(`form-data; name="acl "`)},
		"no name":                     {contentType, with(`form-data`)},
		"an empty name":               {contentType, with(`form-data; name=""`)},
		"another disposition":         {contentType, with(`attachment; name="acl"`)},
		"a file name of a field":      {contentType, with(`form-data; name="acl"; filename="a"`)},
		"another parameter":           {contentType, with(`form-data; name="acl"; size=1`)},
		"a name behind the file name": {contentType, with(`form-data; filename="a"; name="file"`)},
		"a second name of the file":   {contentType, with(`form-data; name="file"; filename="a"; name="acl"`)},
		"an encoded name of the file": {contentType, with(`form-data; name="file"; filename="a"; name*=utf-8''acl`)},
		"a file name in pieces":       {contentType, with(`form-data; name="file"; filename*0="a"`)},
		"two dispositions":            {contentType, with("form-data; name=\"acl\"\r\nContent-Disposition: form-data; name=\"X-Minio-A\"")},
		"an empty disposition first":  {contentType, with("\r\nContent-Disposition: form-data; name=\"file\"")},
		"a folded header":             {contentType, with("form-data;\r\n name=\"acl\"")},
		"another header":              {contentType, with("form-data; name=\"acl\"\r\nX-Minio-A: b")},
		"a space behind a header":     {contentType, with("form-data; name=\"acl\"\r\nContent-Type : b")},
		"a line that is no header":    {contentType, with("form-data; name=\"acl\"\r\nb")},
		"a bare line end in a header": {contentType, with("form-data; name=\"acl\"\nX-Minio-A: b")},
		"many headers":                {contentType, with("form-data; name=\"acl\"" + strings.Repeat("\r\nContent-Type: b", 9))},
		"a preamble":                  {contentType, "x\r\n" + part("key", "a") + file},
		"an empty line in front":      {contentType, "\r\n" + part("key", "a") + file},
		"bare line ends":              {contentType, strings.ReplaceAll(part("key", "a")+file, "\r\n", "\n")},
		"a bare boundary in a value":  {contentType, part("key", "a\n--b\nContent-Disposition: form-data; name=\"X-Minio-A\"\n\nx") + file},
		"a boundary right away":       {contentType, "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n" + file},
		"a boundary with a space":     {contentType, strings.Replace(part("key", "a")+file, "--b\r\nContent-Disposition: form-data; name=\"file\"", "--b \r\nContent-Disposition: form-data; name=\"file\"", 1)},
		"a longer boundary":           {contentType, part("key", "a\r\n--bb") + file},
		"a form without a file":       {contentType, part("key", "a") + "--b--\r\n"},
		"a form that breaks off":      {contentType, part("key", "a") + file[:len(file)-2]},
		"nothing":                     {contentType, ""},
		"no boundary":                 {"multipart/form-data", part("key", "a") + file},
		"an encoded boundary":         {"multipart/form-data; boundary*=utf-8''b", part("key", "a") + file},
		"two boundaries":              {"multipart/form-data; boundary=b; boundary=c", part("key", "a") + file},
		"a boundary of nothing":       {`multipart/form-data; boundary=""`, "--\r\n" + file},
		"a boundary that ends a line": {"multipart/form-data; boundary=\"b \"", part("key", "a") + file},
		"another type":                {"multipart/mixed; boundary=b; x=multipart/form-data", part("key", "a") + file},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if head, err := form.ReadHead(c.contentType, strings.NewReader(c.body)); !errors.Is(err, form.ErrMalformed) {
				t.Errorf("%v, %d bytes", err, len(head))
			}
		})
	}
}

func TestReadHead_reads_no_more_than_it_says(t *testing.T) {
	long := part("key", "a") + part("x-ignore-a", strings.Repeat("x", form.MaxHead)) + file
	if _, err := form.ReadHead(contentType, strings.NewReader(long)); !errors.Is(err, form.ErrTooLong) {
		t.Errorf("a long value: %v", err)
	}
	fields := func(n int) string {
		var all strings.Builder
		for i := range n {
			all.WriteString(part("x-ignore-"+strings.Repeat("x", i), "a"))
		}
		return all.String() + file
	}
	if _, err := form.ReadHead(contentType, strings.NewReader(fields(form.MaxFields))); err != nil {
		t.Errorf("as many fields as may be: %v", err)
	}
	if _, err := form.ReadHead(contentType, strings.NewReader(fields(form.MaxFields+1))); !errors.Is(err, form.ErrTooLong) {
		t.Errorf("one field more: %v", err)
	}
	body := strings.NewReader(part("key", "a") + file + strings.Repeat("x", 10*form.MaxHead))
	if head, err := form.ReadHead(contentType, body); err != nil || len(head) > form.MaxHead {
		t.Errorf("of a large file: %d bytes, %v", len(head), err)
	}
	broken := errors.New("the connection broke")
	if _, err := form.ReadHead(contentType, io.MultiReader(strings.NewReader("--b"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a body that fails: %v", err)
	}
}

func FuzzReadHead_finds_what_MinIO_finds(f *testing.F) {
	f.Add(contentType, part("key", "a")+part("x-amz-meta-a", "b")+file+"content\r\n--b--\r\n")
	f.Add(contentType, part("key", "a\r\n-")+"--b\r\nContent-Disposition: form-data; name=file; filename*=utf-8''%20\r\n\r\n\r\n--b--")
	f.Add(`multipart/form-data; boundary="-"`, strings.ReplaceAll(part("key", "--")+file, "--b", "---"))
	f.Add(contentType, part("policy", "a")+"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\\\"; name=\\x\"\r\n\r\nx")
	f.Add(contentType, "--b\r\nContent-Disposition: form-data; name*=utf-8''acl\r\n\r\nx\r\n"+file)
	f.Add(contentType, part("key", "a\n--b\nContent-Disposition: form-data; name=\"X-Minio-A\"\n\nx")+file)
	f.Fuzz(func(t *testing.T, kind, text string) {
		body := strings.NewReader(text)
		head, err := form.ReadHead(kind, body)
		if len(head) > form.MaxHead {
			t.Fatalf("%d bytes are held", len(head))
		}
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(body)
		if !bytes.Equal(append(head, rest...), []byte(text)) {
			t.Fatal("other bytes are passed on than came")
		}
		names, err := asMinIO(kind, text)
		if err != nil {
			t.Fatalf("MinIO reads %q, and then %v", names, err)
		}
		for _, name := range names {
			if !ordinary(name) {
				t.Fatalf("MinIO reads the field %q", name)
			}
		}
	})
}
