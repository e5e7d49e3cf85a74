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
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var base slog.Handler = slog.NewJSONHandler(c.writer(), options)
	if c.LogFormat == "text" {
		base = slog.NewTextHandler(c.writer(), options)
	}
	base = base.WithAttrs([]slog.Attr{slog.String("service", c.Service)})
	return slog.New(&handler{root: base, current: base, redactor: &redactor{verdicts: map[string]bool{}}})
}

// handler hides what looks like a secret, and adds what the context knows to every line, always
// at the top level: a logger with a group would otherwise bury the trace id in it. For that it
// remembers how it got from the root to where it is, and goes there again behind the ids.
//
// It does so itself and not by slog's ReplaceAttr, with which each line takes twice as long.
type handler struct {
	root     slog.Handler
	current  slog.Handler
	path     []func(slog.Handler) slog.Handler
	grouped  bool
	redactor *redactor
	// hidden says that a group around looks like a secret's, and so all that is in it.
	hidden bool
}

// Enabled reports whether the level is logged.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.current.Enabled(ctx, level)
}

// Handle writes the line with the ids of the context.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var room [16]slog.Attr
	attrs := room[:0]
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.redactor.redact(h.hidden, a))
		return true
	})
	var known [3]slog.Attr
	ids := appendContext(ctx, known[:0])
	to := h.current
	if !h.grouped {
		attrs = append(attrs, ids...)
	} else if len(ids) > 0 {
		to = h.root.WithAttrs(ids)
		for _, step := range h.path {
			to = step(to)
		}
	}
	line := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	line.AddAttrs(attrs...)
	return to.Handle(ctx, line)
}

// WithAttrs returns a handler that adds the attributes to every line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := h.redactor.all(h.hidden, attrs)
	return h.step(func(to slog.Handler) slog.Handler { return to.WithAttrs(clean) })
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := h.step(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
	next.grouped, next.hidden = true, h.hidden || h.redactor.looksSecret(name)
	return next
}

func (h *handler) step(step func(slog.Handler) slog.Handler) *handler {
	next := *h
	next.path = slices.Concat(h.path, []func(slog.Handler) slog.Handler{step})
	next.current = step(h.current)
	return &next
}

// appendContext appends what the context knows.
func appendContext(ctx context.Context, attrs []slog.Attr) []slog.Attr {
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

// redact hides the value of an attribute whose key, or the name of whose group, looks like a
// secret's; hidden says that a group around it does.
func (r *redactor) redact(hidden bool, a slog.Attr) slog.Attr {
	if hidden || r.looksSecret(a.Key) {
		return slog.String(a.Key, config.Redacted)
	}
	if a.Value.Kind() == slog.KindLogValuer {
		a.Value = a.Value.Resolve()
	}
	if a.Value.Kind() == slog.KindGroup {
		a.Value = slog.GroupValue(r.all(false, a.Value.Group())...)
	}
	return a
}

// all redacts a list.
func (r *redactor) all(hidden bool, attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.redact(hidden, a)
	}
	return clean
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
