// Package link serves public links, /s/{token}, to people with a browser: a redirect to a
// URL of the backend, a page that asks for a password, a list, or a page to upload with. It
// owns the pages and the cookie that remembers a password; what a link leads to is
// storage's to say, which is asked for each request.
//
// Guarantees: the token stands in no log line, span, metric or page but as the path of a
// link to the page itself; pages have no styles and no scripts, but for the one that sends a
// file to the backend, which the policy names by its hash; nobody is told where they came
// from; object bytes never pass through; a password is remembered for one link, sealed, for
// a quarter of an hour.
package link

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const (
	// Base is where links begin.
	Base = "/s/"
	// Route names all of them in logs, spans and metrics: the path holds the token.
	Route = Base + "{token}"
	// maxForm is the largest form that a page sends back, in bytes.
	maxForm = 8 << 10
	// pageSize is how many objects a page shows.
	pageSize = 100
)

// Config is what links go by.
type Config struct {
	// Key seals remembered passwords; 32 bytes.
	Key []byte
	// Secure is for https.
	Secure bool
	// Storage is the service.
	Storage grpc.ClientConnInterface
	// Clock tells the time.
	Clock clock.Clock
}

// Links serves them.
type Links struct {
	config Config
	shares storagev1.ShareServiceClient
	memory *memory
}

// New returns the server of links.
func New(config Config) (*Links, error) {
	m, err := newMemory(config)
	if err != nil {
		return nil, err
	}
	return &Links{config: config, shares: storagev1.NewShareServiceClient(config.Storage), memory: m}, nil
}

// visit is one request.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	call  *call.Call
	token string
	// password is what was typed, or remembered; typed says which.
	password string
	typed    bool
	// scripted says that the script of the page for uploads asks, and wants JSON.
	scripted bool
}

// Serve answers GET and POST of a path below Base.
func (l *Links) Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	guard(w.Header())
	v := &visit{w: w, r: r, call: k, token: strings.TrimPrefix(r.URL.Path, Base)}
	request := &storagev1.ResolveShareRequest{PageSize: pageSize}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			l.fail(v, fault.ErrBodyInvalid.WithMessage("the form cannot be read").Wrap(err))
			return
		}
		for _, field := range []string{"password", "name", "size"} {
			if !utf8.ValidString(r.PostForm.Get(field)) {
				l.fail(v, fault.ErrBodyInvalid.WithMessage("the form is no UTF-8"))
				return
			}
		}
		v.password, v.typed = r.PostForm.Get("password"), r.PostForm.Get("password") != ""
		request.UploadName = r.PostForm.Get("name")
		// What is no number is none; the backend then takes an empty file alone.
		request.UploadSize, _ = strconv.ParseInt(r.PostForm.Get("size"), 10, 64)
		v.scripted = request.UploadName != ""
	}
	query := r.URL.Query()
	request.Key, request.PageToken = query.Get("key"), query.Get("page")
	if v.password == "" {
		v.password = l.memory.recall(r, v.token)
	}
	request.Token, request.Password = v.token, v.password
	found, err := l.shares.ResolveShare(call.Outgoing(call.NewContext(ctx, k)), request)
	if err != nil {
		l.fail(v, rpc.FromStatus(err))
		return
	}
	if v.typed {
		l.memory.keep(w, v.token, v.password)
	}
	l.answer(v, found)
}

// answer shows what a link leads to.
func (l *Links) answer(v *visit, found *storagev1.ResolveShareResponse) {
	self := Base + v.token
	switch {
	case found.GetDownload() != nil && v.r.Method != http.MethodPost:
		v.w.Header().Set("Location", found.GetDownload().GetUrl())
		v.w.WriteHeader(http.StatusFound)
	case found.GetDownload() != nil:
		// A browser that was told by form-action where a form may go would not follow a redirect
		// to the backend from here.
		show(v.w, http.StatusOK, file, found.GetDownload())
	case found.GetUpload() != nil:
		up := found.GetUpload()
		v.w.Header().Set("Content-Type", "application/json")
		// A client that went away is not told.
		_ = json.NewEncoder(v.w).Encode(map[string]any{"method": up.GetMethod(), "url": up.GetUrl(), "headers": up.GetHeaders()})
	case found.GetScope() == storagev1.ShareScope_SHARE_SCOPE_UPLOAD:
		letUpload(v.w.Header(), found.GetUploadEndpoint())
		show(v.w, http.StatusOK, uploading, found)
	default:
		show(v.w, http.StatusOK, listing, listed(self, found))
	}
}

type entry struct {
	Name, Address string
	Size          int64
}

func listed(self string, found *storagev1.ResolveShareResponse) map[string]any {
	entries := make([]entry, len(found.GetObjects()))
	for i, o := range found.GetObjects() {
		entries[i] = entry{o.GetKey(), self + "?" + url.Values{"key": {o.GetKey()}}.Encode(), o.GetSizeBytes()}
	}
	next := ""
	if token := found.GetNextPageToken(); token != "" {
		next = self + "?" + url.Values{"page": {token}}.Encode()
	}
	return map[string]any{"Share": found, "Entries": entries, "Next": next}
}

// fail answers a link that leads nowhere, or not yet.
func (l *Links) fail(v *visit, err error) {
	v.call.Failure = err
	if v.scripted {
		fault.Write(v.w, v.call.RequestID, err)
		return
	}
	e, known := errs.As(err)
	reason := errs.ReasonOf(err)
	switch {
	case reason == "SHARE_PASSWORD_MISSING":
		v.call.Failure = nil // that is how it begins
		show(v.w, http.StatusForbidden, asking, map[string]any{"Self": v.r.URL.RequestURI(), "Wrong": false})
	case reason == "SHARE_PASSWORD_WRONG":
		l.memory.forget(v.w, v.token)
		show(v.w, http.StatusForbidden, asking, map[string]any{"Self": v.r.URL.RequestURI(), "Wrong": true})
	case known && e.Kind() == errs.NotFound:
		show(v.w, http.StatusNotFound, trouble, "This link leads nowhere. It may have ended, or may not be used from here: ask whoever sent it.")
	case known && (e.Kind() == errs.InvalidArgument || e.Kind() == errs.ResourceExhausted):
		l.explain(v, e)
	default:
		show(v.w, fault.HTTPStatus(err, rpc.ToStatus(err, fault.Domain, v.call.RequestID).Code()), trouble,
			"Something went wrong on our side. Try again in a moment.")
	}
}

// explain tells somebody what they can do otherwise.
func (l *Links) explain(v *visit, e *errs.Error) {
	text := e.Message()
	for _, violation := range e.Violations() {
		text += " " + violation.Description + "."
	}
	if wait := e.RetryAfter(); wait > 0 {
		v.w.Header().Set("Retry-After", fault.Seconds(wait))
	}
	status := http.StatusBadRequest
	if e.Kind() == errs.ResourceExhausted {
		status = http.StatusTooManyRequests
	}
	show(v.w, status, trouble, text)
}
