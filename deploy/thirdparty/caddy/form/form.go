// Package form reads the head of a POST upload, which is everything before the content of its
// field `file`, as strictly as it takes for MinIO to find in it nothing else than was found here.
//
// MinIO makes headers of the fields, by their canonical names, and so takes its internal ones
// (X-Minio-Replication-*, CVE-2026-34204) from whoever signs a form; it reads up to the first
// field `file`, which ends the form, whatever follows. It also takes bare line ends, preambles,
// folded headers and encoded names. Nothing of that is let through: browsers and HTTP clients
// write none of it, and so there is no second way to read what is left.
package form

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
)

const (
	// MaxHead is the most bytes that may come before the content of the file. A policy and a
	// session token are some 4 KB together.
	MaxHead = 64 << 10
	// MaxFields is the most fields before the file.
	MaxFields = 64

	maxHeaders = 4
	mediaType  = "multipart/form-data"
)

var (
	// ErrMalformed is a body that is no form, or one that could be read in two ways.
	ErrMalformed = errors.New("the body is not well-formed multipart/form-data, or has no file")
	// ErrTooLong is a form with more than MaxHead bytes or MaxFields fields before the file.
	ErrTooLong = fmt.Errorf("more than %d KiB or %d fields stand before the file", MaxHead>>10, MaxFields)
)

// FieldError is a field that no form may have here, or that comes twice.
type FieldError struct {
	// Name is as it was sent: letters, digits, dots, hyphens and underscores.
	Name string
}

func (e *FieldError) Error() string { return "the field " + e.Name + " is refused" }

// Is says whether a request with these values of Content-Type could be taken for a form.
func Is(contentTypes []string) bool {
	for _, text := range contentTypes {
		if strings.Contains(strings.ToLower(text), mediaType) {
			return true
		}
	}
	return false
}

// ReadHead reads from body as far as it must to see every field before the file, and returns
// all that it has read, which is at most MaxHead bytes and may reach into the file. Errors are
// ErrMalformed, ErrTooLong, a *FieldError, or what reading the body says.
func ReadHead(contentType string, body io.Reader) ([]byte, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	h := &head{body: body, dashes: "--" + boundary}
	if line, err := h.line(); err != nil || line != h.dashes {
		return nil, malformed(err)
	}
	seen := map[string]bool{}
	for range MaxFields + 1 {
		name, err := h.name()
		if err != nil {
			return nil, err
		}
		if name == "file" {
			return h.read, nil
		}
		small := lower(name)
		if seen[small] || !allowed(small) {
			return nil, &FieldError{Name: name}
		}
		seen[small] = true
		if err := h.skipValue(); err != nil {
			return nil, err
		}
	}
	return nil, ErrTooLong
}

// delimiter is what RFC 2046 allows, but for spaces.
var delimiter = regexp.MustCompile(`^[0-9A-Za-z'()+_,./:=?-]{1,70}$`)

func boundaryOf(contentType string) (string, error) {
	if strings.ContainsAny(contentType, `*\%`) {
		return "", ErrMalformed
	}
	kind, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if err != nil || kind != mediaType || !delimiter.MatchString(boundary) {
		return "", ErrMalformed
	}
	return boundary, nil
}

// head is what was read, and how far it is understood.
type head struct {
	body   io.Reader
	dashes string
	read   []byte
	at     int
}

// more reads once.
func (h *head) more() error {
	if len(h.read) == MaxHead {
		return ErrTooLong
	}
	if len(h.read) == cap(h.read) {
		h.read = append(make([]byte, 0, min(MaxHead, max(4<<10, 2*cap(h.read)))), h.read...)
	}
	// A reader may bring nothing a few times, not for ever.
	for range 100 {
		n, err := h.body.Read(h.read[len(h.read):min(cap(h.read), MaxHead)])
		h.read = h.read[:len(h.read)+n]
		switch {
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// find returns where text stands, from where it is understood, and reads until it does.
func (h *head) find(text string) (int, error) {
	for from := h.at; ; {
		if i := bytes.Index(h.read[from:], []byte(text)); i >= 0 {
			return from + i, nil
		}
		from = max(from, len(h.read)-len(text)+1)
		if err := h.more(); err != nil {
			return 0, malformed(err)
		}
	}
}

// line returns a line without its end.
func (h *head) line() (string, error) {
	end, err := h.find("\r\n")
	if err != nil {
		return "", err
	}
	line := string(h.read[h.at:end])
	h.at = end + 2
	return line, nil
}

// skipValue goes to behind the boundary that ends a value.
func (h *head) skipValue() error {
	start := h.at
	end, err := h.find(h.dashes)
	if err != nil {
		return err
	}
	// The line end belongs to the boundary, and the value must have one of its own.
	if end < start+2 || string(h.read[end-2:end]) != "\r\n" {
		return ErrMalformed
	}
	h.at = end
	if line, err := h.line(); err != nil || line != h.dashes {
		// Also a form that ends without a file.
		return malformed(err)
	}
	return nil
}

// others are the headers of a part that MinIO does not look at.
var others = map[string]bool{"content-type": true, "content-transfer-encoding": true, "content-length": true}

// name reads the headers of a part and returns the name of its field.
func (h *head) name() (string, error) {
	var disposition string
	var disposed bool
	for range maxHeaders + 1 {
		line, err := h.line()
		if err != nil {
			return "", err
		}
		if line == "" {
			return fieldName(disposition)
		}
		key, value, found := strings.Cut(line, ":")
		if !found || strings.ContainsFunc(line, control) {
			return "", ErrMalformed
		}
		switch key = lower(key); {
		case key == "content-disposition" && !disposed:
			// MinIO goes by the first, even if it is empty.
			disposition, disposed = strings.Trim(value, " "), true
		case !others[key]:
			return "", ErrMalformed
		}
	}
	return "", ErrMalformed
}

func control(c rune) bool { return c < ' ' || c == 0x7f }

// Go reads a quoted string as the pattern does: a backslash takes the next character with it.
var (
	plainField = regexp.MustCompile(`^(?i:form-data); *(?i:name)=(?:"([A-Za-z0-9._-]+)"|([A-Za-z0-9._-]+))$`)
	fileField  = regexp.MustCompile(`^(?i:form-data); *(?i:name)=(?:"file"|file)` +
		`(?:; *(?i:filename)=(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9!#$&+.^_~-]+))?` +
		`(?:; *(?i:filename)\*=(?i:utf-8)''[A-Za-z0-9!#$&+.^_~%-]+)?$`)
)

// fieldName returns the name that the patterns and MinIO's parser agree on.
func fieldName(disposition string) (string, error) {
	name := "file"
	if !fileField.MatchString(disposition) {
		match := plainField.FindStringSubmatch(disposition)
		if match == nil {
			return "", ErrMalformed
		}
		name = match[1] + match[2]
	}
	kind, params, err := mime.ParseMediaType(disposition)
	if err != nil || kind != "form-data" || params["name"] != name {
		return "", ErrMalformed
	}
	return name, nil
}

// fields are S3's own. The policy that is signed must name them. Not `tagging`: MinIO sets those tags for keys that
// may set none.
var fields = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`key bucket acl policy
		x-amz-algorithm x-amz-credential x-amz-date x-amz-signature x-amz-security-token
		cache-control content-disposition content-encoding content-type expires
		success_action_status success_action_redirect
		x-amz-checksum-algorithm x-amz-checksum-type x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme
		x-amz-checksum-sha1 x-amz-checksum-sha256`) {
		fields[name] = true
	}
}

// allowed says whether a form may have the field of that name in small letters.
func allowed(small string) bool {
	if metadata, found := strings.CutPrefix(small, "x-amz-meta-"); found {
		return metadata != "" && !strings.HasPrefix(metadata, "x-minio") && !strings.HasPrefix(metadata, "snowball")
	}
	return fields[small] || strings.HasPrefix(small, "x-ignore-")
}

// lower leaves alone what is not ASCII: other letters than k have k for their small letter.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

// malformed is err, or ErrMalformed for the end of the body, or where nothing failed but the body itself is wrong.
func malformed(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrMalformed
	}
	return err
}
