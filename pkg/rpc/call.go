package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
)

// call is one call on its way through the chain.
type call struct {
	server    *Server
	methods   *methods
	method    *method
	origin    origin
	began     time.Time
	requestID string
	principal principal.Principal
	span      trace.Span
	cancel    context.CancelFunc
	// stream says that it is one, and may take longer.
	stream bool
}

// unaryOverWire is the chain for unary calls from the network.
func (s *Server) unaryOverWire(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return s.unary(ctx, originOf(ctx), request, info.FullMethod, handler)
}

// unary is the chain for unary calls.
func (s *Server) unary(ctx context.Context, from origin, request any, name string, handler grpc.UnaryHandler) (response any, err error) {
	c := &call{server: s, origin: from, began: time.Now()}
	ctx = c.begin(ctx, name)
	defer func() {
		if r := recover(); r != nil {
			response, err = nil, panicked(r)
		}
		if err = c.end(ctx, err); err != nil {
			response = nil
		}
	}()
	ctx, err = c.admit(ctx, request)
	if err != nil {
		return nil, err
	}
	response, err = handler(ctx, request)
	// A use case refuses too: a bad API key, a role above one's own, a missing grant.
	if kind := errs.KindOf(err); err != nil && (kind == errs.Unauthenticated || kind == errs.PermissionDenied) {
		c.refused(ctx, request, err)
	}
	if err == nil {
		c.operated(ctx, request)
	}
	return response, err
}

// operated tells the hook of a call by which an operator saw something of an account.
func (c *call) operated(ctx context.Context, request any) {
	p := &c.principal
	if c.server.config.OnOperatorCall == nil || p.Kind != principal.Operator || p.AccountID == "" || c.method.rule == nil || c.method.rule.Idempotency == access.Key {
		return
	}
	message, _ := request.(proto.Message)
	c.server.config.OnOperatorCall(ctx, c.method.name, message)
}

// begin gives the call its request id, deadline and span: steps 2 to 4 of the chain.
func (c *call) begin(ctx context.Context, name string) context.Context {
	// Serving began with Check, so there is no error here.
	c.methods, _ = c.server.check()
	c.method = c.methods.other
	if m, found := c.methods.byName[name]; found {
		c.method = m
	}
	c.principal = principal.Nobody()
	c.requestID = first(metadata.ValueFromIncomingContext(ctx, HeaderRequestID))
	if !validRequestID(c.requestID) {
		c.requestID = id.New("req", c.began)
		// Only a caller without an id of its own has to be told; that it cannot be told
		// any more does not concern the call.
		_ = grpc.SetHeader(ctx, metadata.Pairs(HeaderRequestID, c.requestID))
	}
	ctx = observe.WithRequestID(ctx, c.requestID)
	if !c.method.own {
		ctx, c.cancel = c.limit(ctx)
	}
	ctx, c.span = c.server.telemetry.start(ctx, &c.method.telemetry)
	return ctx
}

// limit sees to it that the call has a deadline, and not too late a one.
func (c *call) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	config := &c.server.config
	usual, most := min(config.DefaultDeadline, config.MaxDeadline), config.MaxDeadline
	if c.stream {
		usual, most = config.MaxStream, config.MaxStream
	}
	deadline, given := ctx.Deadline()
	latest := c.began.Add(most)
	switch {
	case !given:
		return context.WithDeadline(ctx, c.began.Add(usual))
	case deadline.After(latest):
		return context.WithDeadline(ctx, latest)
	default:
		return ctx, nil
	}
}

// admit decides whether the handler gets to see the call: steps 7 to 10.
func (c *call) admit(ctx context.Context, request any) (context.Context, error) {
	if c.foreign() {
		return ctx, nil
	}
	if c.method.rule == nil {
		return ctx, errUnimplemented
	}
	ctx, err := c.authenticate(ctx)
	if err == nil {
		err = access.Decide(c.method.rule, &c.principal, accountOf(request))
	}
	if err != nil {
		c.refused(ctx, request, err)
		return ctx, err
	}
	if c.method.validate {
		if err := c.methods.validate(request); err != nil {
			return ctx, err
		}
	}
	return c.key(ctx, request)
}

// authenticate finds out who calls and puts that into the context.
func (c *call) authenticate(ctx context.Context) (context.Context, error) {
	who, err := c.who(ctx)
	who.Peer, who.Address = c.origin.peer, c.origin.address
	if c.server.trusted[c.origin.peer] {
		who.Address = assertedAddress(first(metadata.ValueFromIncomingContext(ctx, HeaderClientAddress)))
		who.UserAgent = clean(first(metadata.ValueFromIncomingContext(ctx, HeaderUserAgent)))
	} else {
		who.UserAgent = clean(first(metadata.ValueFromIncomingContext(ctx, headerGRPCAgent)))
	}
	c.principal = who
	return principal.NewContext(ctx, who), err
}

func (c *call) who(ctx context.Context) (principal.Principal, error) {
	switch c.method.rule.Level {
	case access.Public:
		return principal.Nobody(), nil
	case access.Service:
		if c.origin.peer == "" {
			return principal.Nobody(), nil
		}
		return principal.Principal{Kind: principal.Service, ID: c.origin.peer}, nil
	default:
	}
	raw, err := bearer(metadata.ValueFromIncomingContext(ctx, HeaderAuthorization))
	if err != nil || raw == "" {
		return principal.Nobody(), err
	}
	// With an error there may be a principal all the same: whose login was revoked is worth
	// knowing to the log and the audit trail, although it opens nothing.
	who, err := c.server.config.Authenticate(ctx, raw)
	if err != nil && who.Kind == "" {
		who = principal.Nobody()
	}
	return who, err
}

// accountOf returns the account that a request names.
func accountOf(request any) string {
	if named, ok := request.(interface{ GetAccountId() string }); ok {
		return named.GetAccountId()
	}
	return ""
}

// refused tells the hook of a call that was denied. That the keys are away or something of
// ours is broken is no denial.
func (c *call) refused(ctx context.Context, request any, err error) {
	if c.server.config.OnRefusal == nil {
		return
	}
	switch errs.KindOf(err) {
	case errs.Unauthenticated, errs.PermissionDenied, errs.NotFound, errs.FailedPrecondition:
		message, _ := request.(proto.Message)
		c.server.config.OnRefusal(ctx, c.method.name, message, err)
	default:
	}
}

// key puts the idempotency key of a changing call into the context. Without a key of the
// caller's, method and hash are there all the same; reads carry nothing.
func (c *call) key(ctx context.Context, request any) (context.Context, error) {
	if c.method.rule.Idempotency == access.Read {
		return ctx, nil
	}
	k := idempotency.Key{Principal: c.principal.Subject(), Method: c.method.name}
	if c.method.rule.Idempotency != access.Key {
		return idempotency.NewContext(ctx, k), nil
	}
	switch values := metadata.ValueFromIncomingContext(ctx, HeaderIdempotencyKey); len(values) {
	case 0:
	case 1:
		if err := idempotency.Check(values[0]); err != nil {
			return ctx, err
		}
		k.Value = values[0]
	default:
		return ctx, idempotency.ErrInvalid.WithMessage("more than one idempotency key was sent; send one")
	}
	var err error
	if k.RequestHash, err = hash(request); err != nil {
		return ctx, err
	}
	return idempotency.NewContext(ctx, k), nil
}

// foreign reports whether the method is one of gRPC's own services, health and reflection:
// their errors are what their clients expect and stay as they are.
func (c *call) foreign() bool { return c.method.own && c.method != c.methods.other }

func isStatus(err error) bool {
	_, is := status.FromError(err)
	return is
}

// end translates the error, logs the call and ends its span.
func (c *call) end(ctx context.Context, err error) error {
	ended := ending{err: err, took: time.Since(c.began)}
	var answer error
	switch {
	case err == nil:
	case c.foreign() && isStatus(err):
		answer, ended.code = err, status.Code(err)
	default:
		s := ToStatus(err, Domain(c.server.config.Noun), c.requestID)
		answer, ended.code, ended.reason = s.Err(), s.Code(), classify(err).Reason()
	}
	c.server.telemetry.end(ctx, &c.method.telemetry, c.span, ended)
	c.log(ctx, ended)
	if c.cancel != nil {
		c.cancel()
	}
	return answer
}

// log writes the one line of the call.
func (c *call) log(ctx context.Context, ended ending) {
	level := c.level(ended)
	if !c.server.deps.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("method", c.method.name),
		slog.String("code", codeName(ended.code)),
		slog.Int64("duration_us", ended.took.Microseconds()),
		slog.String("principal", c.principal.Subject()),
	)
	if c.principal.AccountID != "" {
		attrs = append(attrs, slog.String("account_id", c.principal.AccountID))
	}
	if c.origin.peer != "" {
		attrs = append(attrs, slog.String("peer", c.origin.peer))
	}
	if ended.err != nil {
		attrs = append(attrs, slog.String("reason", ended.reason), slog.String("error", ended.err.Error()))
		var p *panicError
		if errors.As(ended.err, &p) {
			attrs = append(attrs, slog.String("stack", p.stack))
		}
	}
	// Not Logger.LogAttrs: that looks up where it was called from, which is always here.
	line := slog.NewRecord(time.Now(), level, "call", 0)
	line.AddAttrs(attrs...)
	_ = c.server.deps.Logger.Handler().Handle(ctx, line)
}

func (c *call) level(ended ending) slog.Level {
	switch {
	case c.foreign() && ended.reason == "":
		return slog.LevelDebug
	case ended.code == codes.Internal || ended.code == codes.Unknown || ended.code == codes.DataLoss:
		return slog.LevelError
	case ended.code == codes.Unavailable || ended.code == codes.DeadlineExceeded:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack string
}

// Error returns what the handler panicked with.
func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func panicked(value any) error { return &panicError{value: value, stack: string(debug.Stack())} }
