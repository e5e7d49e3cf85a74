package form_test

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// asMinIO reads a form as MinIO's PostPolicyBucketHandler does (cmd/bucket-handlers.go), and
// returns the names of the fields that it takes before the file, as it takes them.
func asMinIO(contentType, body string) ([]string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, errors.New("no form")
	}
	boundary, ok := params["boundary"]
	if !ok {
		return nil, errors.New("no boundary")
	}
	reader := multipart.NewReader(strings.NewReader(body), boundary)
	var names []string
	for {
		part, err := reader.NextRawPart()
		if err != nil {
			return names, err
		}
		switch name := part.FormName(); name {
		case "":
		case "file":
			return names, nil
		default:
			if _, err := io.Copy(io.Discard, part); err != nil {
				return names, err
			}
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
}

// ordinary says whether MinIO does with a field what S3 says. It is written anew, not from the
// list under test.
func ordinary(canonical string) bool {
	for _, prefix := range []string{"X-Ignore-", "X-Amz-Checksum-"} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	if name, found := strings.CutPrefix(canonical, "X-Amz-Meta-"); found {
		return !strings.HasPrefix(name, "X-Minio") && !strings.HasPrefix(name, "Snowball")
	}
	return slices.Contains([]string{
		"Key", "Bucket", "Acl", "Policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "X-Amz-Security-Token",
		"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Type", "Expires", "Success_action_status", "Success_action_redirect",
	}, canonical)
}
