// Package bus is the way to NATS: the connection, a stream per noun, and consumers whose
// effect happens once.
//
// It guarantees that a NATS which is down, or comes back with an empty store, stops nobody
// from starting and loses nothing: connections and consumers are made again for as long as
// it takes. It does not publish; package outbox does, from the table that is the truth.
package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
)

// instrumentation names this package in traces and metrics.
const instrumentation = "github.com/primecloud/primecloud/pkg/bus"

// Config says how to reach NATS.
type Config struct {
	// URL is nats://host:port, or several of them with commas between.
	URL string
	// User and Password; without a user none is sent.
	User     string
	Password config.Secret
	// CAFile is the authority of the server's certificate; empty for the system's, or plain text.
	CAFile string
	// Service is the process's long name, for NATS's own lists.
	Service string
	// Noun gives the connection inboxes of its own; see Permissions.
	Noun string
}

// Deps is what the process lends. Nil fields are replaced by ones that do nothing.
type Deps struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	Logger *slog.Logger
	Clock  clock.Clock
}

// Conn is a connection to NATS that repairs itself.
type Conn struct {
	nats *nats.Conn
	js   jetstream.JetStream
	deps Deps
}

// Connect returns at once, connected or not: a NATS that is down is tried for ever in the
// background. It fails only for a configuration that can never work.
func Connect(ctx context.Context, c Config, deps Deps) (*Conn, error) {
	deps = complete(deps)
	options := []nats.Option{
		nats.Name(c.Service),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond),
		nats.Timeout(2 * time.Second),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		// What cannot be sent now is an error now; the outbox sends it again.
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				deps.Logger.WarnContext(ctx, "lost NATS; trying again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(n *nats.Conn) {
			deps.Logger.InfoContext(ctx, "connected to NATS again", "server", n.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			deps.Logger.WarnContext(ctx, "NATS complains", "error", err)
		}),
	}
	if c.User != "" {
		options = append(options, nats.UserInfo(c.User, c.Password.Reveal()))
	}
	if c.Noun != "" {
		options = append(options, nats.CustomInboxPrefix(inboxPrefix(c.Noun)))
	}
	if c.CAFile != "" {
		secure, err := authority(c.CAFile)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(secure))
	}
	conn, err := nats.Connect(c.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	// A publication that is never acknowledged must not count as pending for ever.
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(5*time.Second), jetstream.WithPublishAsyncTimeout(5*time.Second))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &Conn{nats: conn, js: js, deps: deps}, nil
}

func complete(d Deps) Deps {
	if d.Tracer == nil {
		d.Tracer = tracenoop.NewTracerProvider()
	}
	if d.Meter == nil {
		d.Meter = metricnoop.NewMeterProvider()
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Clock == nil {
		d.Clock = clock.System()
	}
	return d
}

func authority(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authority of NATS: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the authority of NATS: %s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// JetStream returns the streaming part.
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// ErrDisconnected is returned by Check while there is no connection.
var ErrDisconnected = errors.New("not connected to NATS")

// Check reports whether NATS is connected: a detail of /readyz, never a condition of it.
func (c *Conn) Check(context.Context) error {
	if !c.nats.IsConnected() {
		return ErrDisconnected
	}
	return nil
}

// Close ends the connection. Stop relays and consumers first.
func (c *Conn) Close() { c.nats.Close() }
