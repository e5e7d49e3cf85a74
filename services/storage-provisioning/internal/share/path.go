package share

import (
	"crypto/rand"
	"path"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

const (
	// maxPrefix leaves an upload room for its name.
	maxPrefix = 800
	// MaxUpload is the largest object that S3 takes in one request, in bytes.
	MaxUpload = 5 << 30
	// maxUploadName is the longest name of an upload, in bytes.
	maxUploadName = 150
	// uploadMark is how many random characters stand before it: 65 bits.
	uploadMark = 13
)

// checkPath reports what is wrong with a share's path.
func checkPath(scope Scope, p string) error {
	if scope == Object {
		return checkKey("path", p)
	}
	if p == "" {
		return nil
	}
	if !strings.HasSuffix(p, "/") {
		return invalid("path", "PREFIX_SLASH", "end a prefix in a slash, or it would reach its neighbours too")
	}
	if len(p) > maxPrefix {
		return invalid("path", "PREFIX_LENGTH", "use 800 bytes at most for a prefix")
	}
	if scope == Upload && strings.ContainsAny(p, "*?$") {
		return invalid("path", "KEY_PATTERN", "for uploads, use none of * ? $: the backend takes them for patterns")
	}
	return checkKey("path", p+"x")
}

// checkKey holds a key against the rules of objects.
func checkKey(field, key string) error {
	err := object.CheckKey(key)
	e, ok := errs.As(err)
	if !ok {
		return err
	}
	refusal := errInvalid
	for _, v := range e.Violations() {
		refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: v.Rule, Description: v.Description})
	}
	return refusal
}

// checkUploadName reports what is wrong with the name of an upload.
func checkUploadName(name string) error {
	switch {
	case len(name) > maxUploadName:
		return invalid("upload_name", "NAME_LENGTH", "use 150 bytes at most")
	case strings.ContainsAny(name, `/\`):
		return invalid("upload_name", "NAME_SLASH", "give a file name, without slashes")
	case strings.ContainsAny(name, "*?$"):
		return invalid("upload_name", "KEY_PATTERN", "use none of * ? $: the backend takes them for patterns")
	default:
		return checkKey("upload_name", name)
	}
}

// newName returns the name that an upload gets: what was asked for behind random characters,
// so that it is nobody else's and cannot be guessed.
func newName(asked string) string {
	return strings.ToLower(rand.Text()[:uploadMark]) + "-" + asked
}

// fileName returns the name to save an object under.
func fileName(key string) string { return path.Base(key) }
