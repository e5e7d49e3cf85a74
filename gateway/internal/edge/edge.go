// Package edge turns REST requests into gRPC calls and their answers into JSON. It owns
// the routes (generated from the contract), the JSON form, the headers that stand for
// fields and metadata (Idempotency-Key, If-Match, ETag), and the metadata of each call.
//
// Guarantees: every call goes through the interceptors of its service, since handlers are
// registered over connections only; the metadata of a call holds what this package writes
// and nothing a client sent beside; an unknown field or parameter is refused by name; a
// call is made once, except that a cached token that was refused is replaced.
//
// It does not know who calls: package admission does, and leaves the token in the call.
package edge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/idempotency"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// Config is what the edge goes by.
type Config struct {
	// Identity and Storage are the services.
	Identity, Storage grpc.ClientConnInterface
	// BodyLimit is the largest body, in bytes.
	BodyLimit int64
	// Timeout is the longest that a call may take.
	Timeout time.Duration
}

// Edge serves the routes of the contract.
type Edge struct {
	config Config
	mux    *runtime.ServeMux
	routes []route
	scopes []string
	// downloads are the files that are being sent.
	downloads seats
}

// Scopes returns every scope that some method asks for.
func (e *Edge) Scopes() []string { return e.scopes }

// New registers the routes of all services.
func New(ctx context.Context, config Config) (*Edge, error) {
	services := access.Contract()
	table, err := access.NewTable(services...)
	if err != nil {
		return nil, err
	}
	plans, err := planAll(table, services)
	if err != nil {
		return nil, err
	}
	e := &Edge{config: config, routes: allRoutes(services), scopes: table.Scopes()}
	e.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &codec{}),
		runtime.WithErrorHandler(e.fail),
		runtime.WithRoutingErrorHandler(e.astray),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithWriteContentLength(),
	)
	identity := &conn{service: "identity", inner: config.Identity, plans: plans}
	storage := &conn{service: "storage-provisioning", inner: config.Storage, plans: plans}
	return e, errors.Join(
		identityv1.RegisterAccountServiceHandlerClient(ctx, e.mux, identityv1.NewAccountServiceClient(identity)),
		identityv1.RegisterAccountProfileServiceHandlerClient(ctx, e.mux, identityv1.NewAccountProfileServiceClient(identity)),
		identityv1.RegisterAccessServiceHandlerClient(ctx, e.mux, identityv1.NewAccessServiceClient(identity)),
		identityv1.RegisterPlatformAccountServiceHandlerClient(ctx, e.mux, identityv1.NewPlatformAccountServiceClient(identity)),
		identityv1.RegisterOperatorAccessServiceHandlerClient(ctx, e.mux, identityv1.NewOperatorAccessServiceClient(identity)),
		identityv1.RegisterApiKeyServiceHandlerClient(ctx, e.mux, identityv1.NewApiKeyServiceClient(identity)),
		identityv1.RegisterPersonalApiKeyServiceHandlerClient(ctx, e.mux, identityv1.NewPersonalApiKeyServiceClient(identity)),
		identityv1.RegisterInvitationServiceHandlerClient(ctx, e.mux, identityv1.NewInvitationServiceClient(identity)),
		identityv1.RegisterMembershipServiceHandlerClient(ctx, e.mux, identityv1.NewMembershipServiceClient(identity)),
		identityv1.RegisterOwnershipTransferServiceHandlerClient(ctx, e.mux, identityv1.NewOwnershipTransferServiceClient(identity)),
		identityv1.RegisterSessionServiceHandlerClient(ctx, e.mux, identityv1.NewSessionServiceClient(identity)),
		identityv1.RegisterLinkedLoginServiceHandlerClient(ctx, e.mux, identityv1.NewLinkedLoginServiceClient(identity)),
		identityv1.RegisterTokenServiceHandlerClient(ctx, e.mux, identityv1.NewTokenServiceClient(identity)),
		identityv1.RegisterUserServiceHandlerClient(ctx, e.mux, identityv1.NewUserServiceClient(identity)),
		auditv1.RegisterAuditServiceHandlerClient(ctx, e.mux, auditv1.NewAuditServiceClient(identity)),
		storagev1.RegisterAccessKeyServiceHandlerClient(ctx, e.mux, storagev1.NewAccessKeyServiceClient(storage)),
		storagev1.RegisterBackendServiceHandlerClient(ctx, e.mux, storagev1.NewBackendServiceClient(storage)),
		storagev1.RegisterBucketGrantServiceHandlerClient(ctx, e.mux, storagev1.NewBucketGrantServiceClient(storage)),
		storagev1.RegisterAccountRemovalServiceHandlerClient(ctx, e.mux, storagev1.NewAccountRemovalServiceClient(storage)),
		storagev1.RegisterBucketPurgeServiceHandlerClient(ctx, e.mux, storagev1.NewBucketPurgeServiceClient(storage)),
		storagev1.RegisterDeletedBucketServiceHandlerClient(ctx, e.mux, storagev1.NewDeletedBucketServiceClient(storage)),
		storagev1.RegisterDriftServiceHandlerClient(ctx, e.mux, storagev1.NewDriftServiceClient(storage)),
		storagev1.RegisterLifecycleRuleServiceHandlerClient(ctx, e.mux, storagev1.NewLifecycleRuleServiceClient(storage)),
		storagev1.RegisterMultipartUploadServiceHandlerClient(ctx, e.mux, storagev1.NewMultipartUploadServiceClient(storage)),
		storagev1.RegisterFavouriteServiceHandlerClient(ctx, e.mux, storagev1.NewFavouriteServiceClient(storage)),
		storagev1.RegisterShareServiceHandlerClient(ctx, e.mux, storagev1.NewShareServiceClient(storage)),
		storagev1.RegisterObjectServiceHandlerClient(ctx, e.mux, storagev1.NewObjectServiceClient(storage)),
		storagev1.RegisterOperationServiceHandlerClient(ctx, e.mux, storagev1.NewOperationServiceClient(storage)),
		storagev1.RegisterPlatformQuotaServiceHandlerClient(ctx, e.mux, storagev1.NewPlatformQuotaServiceClient(storage)),
		storagev1.RegisterQuotaServiceHandlerClient(ctx, e.mux, storagev1.NewQuotaServiceClient(storage)),
		storagev1.RegisterPlatformDriftServiceHandlerClient(ctx, e.mux, storagev1.NewPlatformDriftServiceClient(storage)),
		// The mux tries the routes registered last first, and buckets are read most.
		storagev1.RegisterBucketServiceHandlerClient(ctx, e.mux, storagev1.NewBucketServiceClient(storage)),
	)
}

// bare takes the place of a request's header, so that the generated code sees none of it.
// Nothing writes to it.
var bare = http.Header{}

// Serve answers a request of a call that was admitted.
func (e *Edge) Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	if err := e.read(r, k); err != nil {
		fault.Write(w, k.RequestID, err)
		return
	}
	body, err := e.body(w, r)
	if err != nil {
		fault.Write(w, k.RequestID, err)
		return
	}
	within := e.config.Timeout
	if e.isStream(r.Method, r.URL.Path) {
		who := cmp.Or(k.Principal, k.Address)
		if !e.downloads.take(who) {
			fault.Write(w, k.RequestID, errTooManyDownloads)
			return
		}
		defer e.downloads.leave(who)
		within, w = streamWithin, &file{ResponseWriter: w, within: e.config.Timeout}
	}
	ctx, cancel := context.WithTimeout(call.NewContext(ctx, k), within)
	defer cancel()
	inner := r.WithContext(ctx)
	inner.Header, inner.Body, inner.Host, inner.RemoteAddr = bare, body, "", ""
	e.mux.ServeHTTP(w, inner)
}

// read takes from the header what belongs to the call.
func (e *Edge) read(r *http.Request, k *call.Call) error {
	k.Query = r.URL.RawQuery
	if values := r.Header["Idempotency-Key"]; len(values) > 0 {
		if len(values) > 1 {
			return idempotency.ErrInvalid.WithMessage("more than one Idempotency-Key was sent; send one")
		}
		if err := idempotency.Check(values[0]); err != nil {
			return err
		}
		k.IdempotencyKey = values[0]
	}
	values := r.Header["If-Match"]
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return nil
	}
	etag, ok := strings.CutPrefix(values[0], `"`)
	etag, closed := strings.CutSuffix(etag, `"`)
	if len(values) > 1 || !ok || !closed || etag == "" || strings.Contains(etag, `"`) {
		return fault.ErrRequestInvalid.WithMessage(`If-Match takes one etag in quotes, as ETag had it, such as "abc"`)
	}
	k.IfMatch = etag
	return nil
}

// body reads the body, which must be JSON and within the limit.
func (e *Edge) body(w http.ResponseWriter, r *http.Request) (io.ReadCloser, error) {
	if r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet {
		return http.NoBody, nil
	}
	tooLarge := fault.ErrBodyTooLarge.WithMessage("the request body is larger than %d bytes; send less", e.config.BodyLimit)
	if r.ContentLength > e.config.BodyLimit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.config.BodyLimit))
	var beyond *http.MaxBytesError
	switch {
	case errors.As(err, &beyond):
		return nil, tooLarge
	case err != nil:
		return nil, fault.ErrBodyInvalid.WithMessage("the body ended before it was complete").Wrap(err)
	case len(data) == 0:
		return http.NoBody, nil
	case r.Method == http.MethodDelete:
		// Dropped in silence, an etag in it would be a precondition that nobody checks.
		return nil, fault.ErrBodyInvalid.WithMessage("DELETE takes no body; an etag goes into If-Match")
	}
	if declared := r.Header.Get("Content-Type"); declared != "" {
		media, _, err := mime.ParseMediaType(declared)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil, fault.ErrNotJSON
		}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// fail answers a call that failed, be it in the service or while it was read.
func (e *Edge) fail(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	k := call.FromContext(ctx)
	if k.Method == "" {
		err = decoding(err)
	}
	k.Failure = err
	fault.Write(w, k.RequestID, err)
}

// astray answers a request that has no route.
func (e *Edge) astray(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, httpStatus int) {
	k := call.FromContext(ctx)
	err := fault.ErrRoute
	if httpStatus == http.StatusMethodNotAllowed {
		err = fault.ErrMethod
		if methods := allowed(e.routes, r.URL.Path); len(methods) > 0 {
			w.Header()["Allow"] = []string{strings.Join(methods, ", ")}
		}
	}
	k.Failure = err
	fault.Write(w, k.RequestID, err)
}
