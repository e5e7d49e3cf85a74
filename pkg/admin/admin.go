// Package admin is the small HTTP server beside a service's own: /metrics for Prometheus,
// /healthz and /readyz for whoever keeps the process running. It is for the inside of a
// network and asks nobody who they are.
//
// /healthz says that the process lives. /readyz says whether it can do its work: its own
// needs (its database, its keys) decide; other dependencies are shown as detail and fail
// only the calls that need them, so that one that is away takes down no other.
package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
)

const (
	// askWithin bounds one check.
	askWithin = 2 * time.Second
	// detailWithin bounds what decides nothing. A probe gives up after a second by default,
	// so a dependency that hangs must be told of sooner, or it decides after all.
	detailWithin = 500 * time.Millisecond
	// headerWithin bounds how long a client may take to send its request.
	headerWithin = 5 * time.Second
)

// Config is what the server shows.
type Config struct {
	// Listen is the address; empty means no server.
	Listen string
	// Metrics serves /metrics; may be nil.
	Metrics http.Handler
	// Ready reports whether the process can do its work; nil is always ready.
	Ready func(ctx context.Context) error
	// Details are other dependencies by name; they are shown and decide nothing.
	Details map[string]func(ctx context.Context) error
	// Logger hears of failures; may be nil.
	Logger *slog.Logger
}

// Component returns the server as a part of a process. It listens when started, so that a
// taken address is a failure of the start.
func Component(c Config) lifecycle.Component {
	s := &server{config: c, http: &http.Server{ReadHeaderTimeout: headerWithin, Handler: Handler(c)}}
	if c.Listen == "" {
		return lifecycle.Component{Name: "admin"}
	}
	return lifecycle.Component{Name: "admin", Start: s.start, Run: s.run, Stop: s.http.Shutdown}
}

type server struct {
	config   Config
	http     *http.Server
	listener net.Listener
}

func (s *server) start(ctx context.Context) error {
	var err error
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	return err
}

func (s *server) run(ctx context.Context) error {
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) {
		// Run ends when it is told to, and not before.
		<-ctx.Done()
		return nil
	}
	return err
}

// Handler serves the three paths.
func Handler(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	if c.Metrics != nil {
		mux.Handle("GET /metrics", c.Metrics)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, r, c) })
	return mux
}

// report is what /readyz answers.
type report struct {
	Ready   bool              `json:"ready"`
	Reason  string            `json:"reason,omitempty"`
	Details map[string]string `json:"details,omitempty"`
}

func answer(w http.ResponseWriter, r *http.Request, c Config) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	shown := report{Ready: true, Details: details(ctx, c.Details)}
	if c.Ready != nil {
		if err := c.Ready(ctx); err != nil {
			c.Logger.WarnContext(ctx, "not ready", "error", err)
			shown.Ready, shown.Reason = false, short(err)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if !shown.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(shown)
}

// details asks the other dependencies side by side.
func details(ctx context.Context, checks map[string]func(context.Context) error) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, detailWithin)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	shown := make(map[string]string, len(checks))
	for name, check := range checks {
		group.Go(func() {
			text := "ok"
			if err := check(ctx); err != nil {
				text = short(err)
			}
			mu.Lock()
			shown[name] = text
			mu.Unlock()
		})
	}
	group.Wait()
	return shown
}

// short is the part of an error that is for everybody: its reason and message if it is
// classified. The rest is in the log.
func short(err error) string {
	if e, ok := errs.As(err); ok {
		return e.Reason() + ": " + e.Message()
	}
	return "not available; see the log"
}

// Check asks a running process on this machine whether it is ready: what `healthcheck` does.
func Check(ctx context.Context, listen string) error {
	return check(ctx, "http", listen, http.DefaultClient)
}

// CheckTLS is Check for a process that speaks TLS there. Whose certificate it shows does not
// matter: the question goes no further than this machine, and the answer opens nothing.
func CheckTLS(ctx context.Context, listen string) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	return check(ctx, "https", listen, &http.Client{Transport: transport})
}

func check(ctx context.Context, scheme, listen string, client *http.Client) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("no admin address to ask: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the process does not answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil || response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("not ready (HTTP %d): %s", response.StatusCode, body), err)
	}
	return nil
}
