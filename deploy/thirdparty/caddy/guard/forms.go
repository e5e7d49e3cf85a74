package guard

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/primecloud/primecloud/deploy/thirdparty/caddy/form"
)

// Forms looks into uploads by HTML form (POST policies). It refuses those with a field that is
// not S3's own, and passes the others on, byte by byte as they came. Package form says how it
// reads them. No file is held in memory: at most the first 64 KiB of a form are.
type Forms struct{}

// CaddyModule names the handler.
func (*Forms) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.s3_forms", New: func() caddy.Module { return new(Forms) }}
}

// ServeHTTP passes on what is no form, and forms that hold nothing but S3's fields.
func (*Forms) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !isForm(r) {
		return next.ServeHTTP(w, r)
	}
	types := r.Header["Content-Type"]
	switch {
	case !atBucket(r):
		return refuse(w, http.StatusForbidden, "AccessDenied", "Forms are posted to their bucket here, with nothing behind it.")
	case r.Header["Authorization"] != nil:
		// As S3 says; and MinIO's policies would see such a form as something else (s3:authType).
		return refuse(w, http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed: a form is signed by its fields here.")
	case r.ContentLength < 0:
		return refuse(w, http.StatusLengthRequired, "MissingContentLength", "A form must say its length here.")
	case r.Body == nil || len(types) != 1:
		return refuseForm(w, form.ErrMalformed)
	}
	head, err := form.ReadHead(types[0], r.Body)
	if err != nil {
		return refuseForm(w, err)
	}
	r.Body = &replayed{Reader: io.MultiReader(bytes.NewReader(head), r.Body), Closer: r.Body}
	return next.ServeHTTP(w, r)
}

// isForm says whether MinIO could take a request for a form.
func isForm(r *http.Request) bool {
	return r.Method == http.MethodPost && form.Is(r.Header["Content-Type"])
}

// atBucket says whether a request is for a bucket as a whole: in the path, or in the host.
func atBucket(r *http.Request) bool {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	return !strings.ContainsAny(name, "/%") && r.URL.RawQuery == ""
}

// refuseForm says what is wrong with a form, or returns what happened to its body.
func refuseForm(w http.ResponseWriter, err error) error {
	var field *form.FieldError
	switch {
	case errors.As(err, &field):
		return refuse(w, http.StatusForbidden, "AccessDenied", "The form field "+field.Name+" is refused here, or comes twice.")
	case errors.Is(err, form.ErrTooLong):
		return refuse(w, http.StatusBadRequest, "MaxPostPreDataLengthExceededError", "There is too much before the file: "+err.Error()+".")
	case errors.Is(err, form.ErrMalformed):
		return refuse(w, http.StatusBadRequest, "MalformedPOSTRequest", "This form is refused here: "+err.Error()+".")
	}
	var slow caddyhttp.HandlerError
	if errors.As(err, &slow) {
		return err
	}
	// A client that is gone: whatever is answered, nobody hears it.
	return caddyhttp.Error(http.StatusBadRequest, err)
}

// replayed is a body of which some was read already.
type replayed struct {
	io.Reader
	io.Closer
}

func parseForms(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Err("s3_forms takes nothing")
	}
	return new(Forms), nil
}
