package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	nometric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	notrace "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/principal"
)

// The defaults and limits of a server. One connection of the gateway carries all its calls,
// so a connection may have many streams.
const (
	defaultDeadline   = 15 * time.Second
	defaultMax        = 60 * time.Second
	defaultAge        = 5 * time.Minute
	defaultMaxStream  = 30 * time.Minute
	defaultMaxMessage = 4 << 20
	maxHeaderBytes    = 32 << 10
	maxStreams        = 1000
	streamWorkers     = 64
	streamWindow      = 1 << 20
	connectionWindow  = 4 << 20
	handshakeWithin   = 20 * time.Second
	keepaliveTime     = 30 * time.Second
	keepaliveTimeout  = 10 * time.Second
)

// ServerConfig is what a server goes by.
type ServerConfig struct {
	// Service is the process's long name, such as "storage-provisioning".
	Service string
	// Noun names the domain of its reasons.
	Noun string
	// Listener is where it listens; nil serves the in-process channel only.
	Listener net.Listener
	// TLS is how it speaks, made by package pki; nil is plain text, where no caller has a
	// certificate and so no method of level SERVICE can be called.
	TLS *tls.Config
	// Authenticate turns a bearer token into a principal, or says why not. It is asked for
	// every call that needs a login; revoke.Authenticator is one. Beside an error it may say
	// who it was, for the log and OnRefusal; the call is refused all the same.
	Authenticate func(ctx context.Context, bearer string) (principal.Principal, error)
	// TrustedForwarders are the peers that may say on whose behalf they call.
	TrustedForwarders []string
	// DefaultDeadline is that of calls without one; zero means 15 s.
	DefaultDeadline time.Duration
	// MaxDeadline caps the caller's; zero means 60 s.
	MaxDeadline time.Duration
	// MaxStream caps the deadline of a stream, which may carry a large file, and is that of one
	// without; zero means 30 min.
	MaxStream time.Duration
	// MaxConnectionAge makes clients connect anew, so that replicas share load; zero means 5 min.
	MaxConnectionAge time.Duration
	// MaxMessageBytes bounds a request; zero means 4 MiB.
	MaxMessageBytes int
	// OnRefusal hears of each call that authentication or authorisation refused, in the
	// chain or in the handler of a unary call, with the principal in ctx as far as it is
	// known and the request, which is nil for streams. It is called in line with the call
	// and so must be quick. May be nil.
	OnRefusal func(ctx context.Context, method string, request proto.Message, err error)
	// OnOperatorCall hears of each call that an operator of the platform made inside an account
	// and that leaves no entry of its own in the audit trail, since it changed nothing that is kept.
	OnOperatorCall func(ctx context.Context, method string, request proto.Message)
}

// Deps is what the process owns and lends. Each may be nil.
type Deps struct {
	// Logger gets one line per call. observe.Telemetry's adds the trace and request ids.
	Logger *slog.Logger
	// Tracer makes the spans.
	Tracer trace.TracerProvider
	// Meter counts and times the calls.
	Meter metric.MeterProvider
}

func (d Deps) filled() Deps {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Tracer == nil {
		d.Tracer = notrace.NewTracerProvider()
	}
	if d.Meter == nil {
		d.Meter = nometric.NewMeterProvider()
	}
	return d
}

// Server serves the services registered on it, over its listener and in process, through
// the one chain. Register everything before the first call; then Serve.
type Server struct {
	config    ServerConfig
	deps      Deps
	telemetry *telemetry
	trusted   map[string]bool
	grpc      *grpc.Server
	health    *health.Server
	inFlight  drain

	mu       sync.Mutex
	services []registration
	check    func() (*methods, error)
}

type registration struct {
	desc *grpc.ServiceDesc
	impl any
}

// NewServer returns a server without services of ours; health and reflection are there.
func NewServer(config ServerConfig, deps Deps) (*Server, error) {
	if config.Service == "" || config.Noun == "" || config.Authenticate == nil {
		return nil, errors.New("rpc: a server needs Service, Noun and Authenticate")
	}
	fill(&config.DefaultDeadline, defaultDeadline)
	fill(&config.MaxDeadline, defaultMax)
	fill(&config.MaxStream, defaultMaxStream)
	fill(&config.MaxConnectionAge, defaultAge)
	if config.MaxMessageBytes <= 0 {
		config.MaxMessageBytes = defaultMaxMessage
	}
	deps = deps.filled()
	s := &Server{config: config, deps: deps, trusted: map[string]bool{}, health: health.NewServer()}
	for _, name := range config.TrustedForwarders {
		s.trusted[name] = true
	}
	var err error
	if s.telemetry, err = newTelemetry(deps, "server"); err != nil {
		return nil, err
	}
	s.check = sync.OnceValues(s.build)
	s.grpc = grpc.NewServer(s.options()...)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s, nil
}

func fill(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func (s *Server) options() []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(s.unaryOverWire),
		grpc.StreamInterceptor(s.streamOverWire),
		// An unknown method gets an error of our making, through the same chain.
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return errUnimplemented }),
		grpc.MaxRecvMsgSize(s.config.MaxMessageBytes),
		// What a stranger may cost before anybody knows who he is.
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeWithin),
		// With windows that are given, nobody measures them: the measuring takes a ping and its
		// answer for every call.
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connectionWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: s.config.MaxConnectionAge,
			// What is in flight has a deadline of its own.
			MaxConnectionAgeGrace: max(s.config.MaxStream, s.config.MaxDeadline),
			Time:                  keepaliveTime,
			Timeout:               keepaliveTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 3, PermitWithoutStream: true}),
	}
	if s.config.Listener != nil {
		// A call on a goroutine that has served others finds its stack grown already; when all
		// of them are busy it gets one of its own.
		options = append(options, grpc.NumStreamWorkers(streamWorkers))
	}
	if s.config.TLS != nil {
		options = append(options, grpc.Creds(namedCredentials(s.config.TLS)))
	}
	return options
}

// RegisterService makes Server a grpc.ServiceRegistrar for the generated code.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.mu.Lock()
	s.services = append(s.services, registration{desc: desc, impl: impl})
	s.mu.Unlock()
	s.grpc.RegisterService(desc, impl)
}

// Check reports what is wrong with the registered services: every method must declare its
// access and idempotency, and its rules of shape must compile. It ends registration; Serve
// and the first call in process do it too.
func (s *Server) Check() error {
	_, err := s.check()
	return err
}

// Serve serves until Stop, or until ctx is done, which cuts off what is in flight.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Check(); err != nil {
		return err
	}
	s.SetHealthy(true)
	if s.config.Listener == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, s.grpc.Stop)
	defer stop()
	if err := s.grpc.Serve(s.config.Listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("rpc: %w", err)
	}
	return nil
}

// SetHealthy tells clients, which watch the health service, whether to send calls here.
func (s *Server) SetHealthy(healthy bool) {
	state := healthv1.HealthCheckResponse_NOT_SERVING
	if healthy {
		state = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
}

// Stop takes no new calls, waits for those in flight until ctx is done, and then cuts them
// off. It returns an error if it had to.
func (s *Server) Stop(ctx context.Context) error {
	s.health.Shutdown()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.grpc.GracefulStop()
	}()
	inProcess := s.inFlight.stop(ctx)
	select {
	case <-drained:
	case <-ctx.Done():
		s.grpc.Stop()
		<-drained
		inProcess = errors.Join(inProcess, ctx.Err())
	}
	if inProcess != nil {
		return fmt.Errorf("rpc: calls were cut off: %w", inProcess)
	}
	return nil
}

// Component returns the server as a part of a process.
func (s *Server) Component() lifecycle.Component {
	return lifecycle.Component{
		Name:  "rpc",
		Start: func(context.Context) error { return s.Check() },
		Run:   s.Serve,
		Stop:  s.Stop,
	}
}
