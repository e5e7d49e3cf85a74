package observe

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode"

	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/config"
)

func newLogger(c Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: (&redactor{verdicts: map[string]bool{}}).redact}
	var base slog.Handler = slog.NewJSONHandler(c.writer(), options)
	if c.LogFormat == "text" {
		base = slog.NewTextHandler(c.writer(), options)
	}
	base = base.WithAttrs([]slog.Attr{slog.String("service", c.Service)})
	return slog.New(&handler{root: base, current: base})
}

// handler adds what the context knows to every line, always at the top level: a logger
// with a group would otherwise bury the trace id in it. For that it remembers how it got
// from the root to where it is, and goes there again behind the ids.
type handler struct {
	root    slog.Handler
	current slog.Handler
	path    []func(slog.Handler) slog.Handler
	grouped bool
}

// Enabled reports whether the level is logged.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.current.Enabled(ctx, level)
}

// Handle writes the line with the ids of the context.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	ids := contextAttrs(ctx)
	if len(ids) == 0 {
		return h.current.Handle(ctx, r)
	}
	if !h.grouped {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.current.Handle(ctx, r)
	}
	next := h.root.WithAttrs(ids)
	for _, step := range h.path {
		next = step(next)
	}
	return next.Handle(ctx, r)
}

// WithAttrs returns a handler that adds the attributes to every line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.step(h.grouped, func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.step(true, func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *handler) step(grouped bool, step func(slog.Handler) slog.Handler) slog.Handler {
	path := slices.Concat(h.path, []func(slog.Handler) slog.Handler{step})
	return &handler{root: h.root, current: step(h.current), path: path, grouped: grouped}
}

func contextAttrs(ctx context.Context) []slog.Attr {
	attrs := make([]slog.Attr, 0, 3)
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	return attrs
}

type requestIDKey struct{}

// WithRequestID returns a context that carries the id of the request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// secretMarks are the parts of a key that give a secret away, in small letters and
// without punctuation. An access key's id is one too: MinIO's holes turn it into a key.
var secretMarks = []string{
	"secret", "password", "passwd", "passphrase", "token", "authorization", "bearer", "jwt", "cookie",
	"credential", "accesskey", "apikey", "privatekey", "keyid", "session", "signature",
}

// redactor hides what must not be shown in a log.
type redactor struct {
	mu       sync.RWMutex
	verdicts map[string]bool
}

const maxVerdicts = 1024

// redact hides the value of an attribute whose key, or the name of whose group, looks
// like a secret's.
func (r *redactor) redact(groups []string, a slog.Attr) slog.Attr {
	// A level as it is goes through encoding/json, which costs more than the rest of the line.
	if a.Value.Kind() == slog.KindAny {
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(a.Key, level.String())
		}
	}
	if r.looksSecret(a.Key) {
		return slog.String(a.Key, config.Redacted)
	}
	for _, group := range groups {
		if r.looksSecret(group) {
			return slog.String(a.Key, config.Redacted)
		}
	}
	return a
}

// looksSecret remembers what was said of a key: they are few, and every line has a dozen.
// Beyond a limit it works each one out.
func (r *redactor) looksSecret(key string) bool {
	r.mu.RLock()
	secret, known := r.verdicts[key]
	r.mu.RUnlock()
	if known {
		return secret
	}
	secret = soundsSecret(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.verdicts) < maxVerdicts {
		r.verdicts[key] = secret
	}
	return secret
}

func soundsSecret(key string) bool {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, key)
	for _, mark := range secretMarks {
		if strings.Contains(plain, mark) {
			return true
		}
	}
	return false
}
