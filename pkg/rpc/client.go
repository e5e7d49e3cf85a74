package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // clients watch the health of each replica
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/observe"
)

// defaultTimeout is the deadline of calls whose context has none.
const defaultTimeout = 10 * time.Second

// serviceConfig spreads calls over the replicas that say they are healthy. There is no retry
// policy in it on purpose.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}}`

// ClientConfig is what a client goes by.
type ClientConfig struct {
	// Target is host:port; all addresses that the name resolves to share the calls. A
	// target with a scheme is taken as it is.
	Target string
	// TLS is how to speak, made by package pki; nil is plain text.
	TLS *tls.Config
	// Service is the calling process's long name.
	Service string
	// Timeout is the deadline of calls without one; zero means 10 s.
	Timeout time.Duration
	// Credentials add a login to each call, such as KeyCredentials; may be nil.
	Credentials credentials.PerRPCCredentials
	// MaxMessageBytes bounds a response; zero means 4 MiB.
	MaxMessageBytes int
}

// reconnect is how soon a server that was away is tried again: within seconds, where the
// default waits up to two minutes.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// Dial returns a connection to a service of the suite. It connects in the background: a
// server that is away fails calls, not Dial. Calls carry the request id and the trace of
// their context, and fail with classified errors. Close the connection in the end.
func Dial(config ClientConfig, deps Deps) (*grpc.ClientConn, error) {
	deps = deps.filled()
	telemetry, err := newTelemetry(deps, "client")
	if err != nil {
		return nil, err
	}
	fill(&config.Timeout, defaultTimeout)
	if config.MaxMessageBytes <= 0 {
		config.MaxMessageBytes = defaultMaxMessage
	}
	if !strings.Contains(config.Target, "://") {
		config.Target = "dns:///" + config.Target
	}
	transport := insecure.NewCredentials()
	if config.TLS != nil {
		transport = credentials.NewTLS(config.TLS)
	}
	c := &client{timeout: config.Timeout, telemetry: telemetry}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// How we call is said here, not by a TXT record. Where name servers cannot be asked for
		// any but our own names, each start would wait 10 s for that record.
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithUserAgent("primecloud-" + config.Service),
		grpc.WithConnectParams(reconnect),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(config.MaxMessageBytes)),
		grpc.WithUnaryInterceptor(c.unary),
		grpc.WithStreamInterceptor(c.stream),
	}
	if config.Credentials != nil {
		options = append(options, grpc.WithPerRPCCredentials(config.Credentials))
	}
	conn, err := grpc.NewClient(config.Target, options...)
	if err != nil {
		return nil, fmt.Errorf("rpc: dialling %s: %w", config.Target, err)
	}
	return conn, nil
}

// client is what a connection adds to its calls.
type client struct {
	timeout   time.Duration
	telemetry *telemetry
}

func (c *client) unary(ctx context.Context, method string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, span := c.span(ctx, method)
	defer span.End()
	ctx, cancel := c.outgoing(ctx)
	defer cancel()
	err := FromStatus(invoke(ctx, method, request, response, conn, options...))
	if err != nil && span.IsRecording() {
		span.SetStatus(otelcodes.Error, classify(err).Reason())
	}
	return err
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(c.decorate(ctx), desc, conn, method, options...)
	if err != nil {
		return nil, FromStatus(err)
	}
	return translating{stream}, nil
}

// span begins a client span, for calls that leave the process.
func (c *client) span(ctx context.Context, method string) (context.Context, trace.Span) {
	name := strings.TrimPrefix(method, "/")
	return c.telemetry.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name)))
}

// outgoing gives a unary call what it carries and a deadline.
func (c *client) outgoing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = c.decorate(ctx)
	if _, given := ctx.Deadline(); given {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// decorate adds the request id and the trace of the context.
func (c *client) decorate(ctx context.Context) context.Context {
	var pairs [6]string
	n := 0
	if id := observe.RequestID(ctx); id != "" {
		n += copy(pairs[n:], []string{HeaderRequestID, id})
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		carrier := propagation.MapCarrier{}
		c.telemetry.propagator.Inject(ctx, carrier)
		for key, value := range carrier {
			n += copy(pairs[n:], []string{key, value})
		}
	}
	if n == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, pairs[:n]...)
}

// translating makes the errors of a stream classified ones.
type translating struct{ grpc.ClientStream }

// Header returns the headers of the response.
func (t translating) Header() (metadata.MD, error) {
	md, err := t.ClientStream.Header()
	return md, ofStream(err)
}

// SendMsg sends a message.
func (t translating) SendMsg(m any) error { return ofStream(t.ClientStream.SendMsg(m)) }

// RecvMsg receives a message.
func (t translating) RecvMsg(m any) error { return ofStream(t.ClientStream.RecvMsg(m)) }

// CloseSend ends sending.
func (t translating) CloseSend() error { return ofStream(t.ClientStream.CloseSend()) }

// ofStream classifies an error, except the end of the stream, which is none.
func ofStream(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return FromStatus(err)
}
