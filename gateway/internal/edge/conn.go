package edge

import (
	"context"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
)

// conn is a service's connection as the generated handlers see it. Here a REST request
// becomes a gRPC call: the metadata is written anew from the call, so that nothing a
// client sends can slip into it.
type conn struct {
	// service is the long name of who is at the other end.
	service string
	inner   grpc.ClientConnInterface
	plans   map[string]*plan
}

// Invoke makes a unary call. The options of the generated handlers ask for headers that
// are read here instead, so they are not passed on.
func (c *conn) Invoke(ctx context.Context, method string, request, response any, _ ...grpc.CallOption) error {
	k, p := call.FromContext(ctx), c.plans[method]
	if k == nil || p == nil {
		return errs.Newf(errs.Internal, "INTERNAL", "%s is not called by a request that the gateway knows", method)
	}
	k.Method, k.Route = method, p.route
	if err := p.admit(k, request); err != nil {
		return err
	}
	bearer := k.Bearer
	if p.public {
		// A stale cookie must not stand in the way of getting a new login.
		bearer = ""
	} else if k.Refusal != nil {
		return k.Refusal
	}
	err := c.invoke(ctx, p, bearer, request, response)
	if err != nil && bearer != "" && k.Renewer != nil && replaceable(err) {
		if bearer, err = k.Renewer.Renew(ctx, bearer); err == nil {
			err = c.invoke(ctx, p, bearer, request, response)
		}
	}
	if err != nil {
		return c.name(rpc.FromStatus(err))
	}
	p.tag(k, response)
	return nil
}

func (c *conn) invoke(ctx context.Context, p *plan, bearer string, request, response any) error {
	k := call.FromContext(ctx)
	ctx = outgoing(ctx, k, bearer)
	if p.reads {
		return c.inner.Invoke(ctx, k.Method, request, response)
	}
	var headers metadata.MD
	err := c.inner.Invoke(ctx, k.Method, request, response, grpc.Header(&headers))
	if operation := rpc.OperationID(headers); operation != "" {
		k.Response["Primecloud-Operation-Id"] = []string{operation}
	}
	return err
}

// outgoing writes the metadata of a call.
func outgoing(ctx context.Context, k *call.Call, bearer string) context.Context {
	pairs := make([]string, 0, 10)
	pairs = append(pairs, rpc.HeaderRequestID, k.RequestID, rpc.HeaderClientAddress, k.Address)
	if bearer != "" {
		pairs = append(pairs, rpc.HeaderAuthorization, "Bearer "+bearer)
	}
	if k.UserAgent != "" {
		pairs = append(pairs, rpc.HeaderUserAgent, k.UserAgent)
	}
	if k.IdempotencyKey != "" {
		pairs = append(pairs, rpc.HeaderIdempotencyKey, k.IdempotencyKey)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// name adds to an error of the connection itself, which no service has written, who it is
// that cannot be reached.
func (c *conn) name(err error) error {
	e, ok := errs.As(err)
	if !ok || e.Kind() != errs.Unavailable || len(status.Convert(err).Details()) > 0 {
		return err
	}
	return e.With("dependency", c.service).Wrap(err)
}

// replaceable reports whether a token of the cache was refused in a way that another
// token of the same session may mend. Such a call had no effect.
func replaceable(err error) bool {
	switch errs.ReasonOf(rpc.FromStatus(err)) {
	case "TOKEN_REVOKED", "TOKEN_EXPIRED", "TOKEN_INVALID":
		return true
	default:
		return false
	}
}

// admit checks the query and puts the precondition where the method takes it.
func (p *plan) admit(k *call.Call, request any) error {
	if k.Query != "" {
		if err := p.checkQuery(k.Query); err != nil {
			return err
		}
	}
	message, ok := request.(proto.Message)
	if !ok || p.reads {
		return nil
	}
	if p.mask != nil {
		protoNames(message, p.mask)
	}
	if k.IfMatch == "" {
		return nil
	}
	if p.precondition == nil {
		return fault.ErrRequestInvalid.WithMessage("this method takes no If-Match header").
			WithViolation(errs.Violation{Field: "If-Match", Rule: "NOT_SUPPORTED", Description: "leave it out"})
	}
	message.ProtoReflect().Set(p.precondition, protoreflect.ValueOfString(k.IfMatch))
	return nil
}

// protoNames gives a mask that came as a parameter, in the names of JSON, the names of the
// contract.
func protoNames(message proto.Message, field protoreflect.FieldDescriptor) {
	mask, ok := message.ProtoReflect().Get(field).Message().Interface().(*fieldmaskpb.FieldMask)
	if !ok {
		return
	}
	for i, path := range mask.GetPaths() {
		var name strings.Builder
		for _, c := range path {
			if c >= 'A' && c <= 'Z' {
				name.WriteByte('_')
				c += 'a' - 'A'
			}
			name.WriteRune(c)
		}
		mask.Paths[i] = name.String()
	}
}

// checkQuery refuses a parameter that the method does not know: a filter with a typing
// error would otherwise show everything.
func (p *plan) checkQuery(raw string) error {
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if strings.ContainsAny(name, "%+") {
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
		}
		first := name
		// What is inside of a field is named after a point, what is in a map in brackets.
		if end := strings.IndexAny(name, ".["); end >= 0 {
			first = name[:end]
		}
		if name != "" && !p.query[first] {
			return fault.ErrRequestInvalid.WithMessage("the method has no query parameter %q; /docs lists those it has", name).
				WithViolation(errs.Violation{Field: name, Rule: "UNKNOWN_FIELD", Description: "remove the parameter"})
		}
	}
	return nil
}

// tag sets the ETag of the resource in the response.
func (p *plan) tag(k *call.Call, response any) {
	message, ok := response.(proto.Message)
	if !ok || p.etag == nil {
		return
	}
	if etag := message.ProtoReflect().Get(p.body).Message().Get(p.etag).String(); etag != "" {
		k.Response["Etag"] = []string{`"` + etag + `"`}
	}
}
