package guard

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// window is how long a slow body is watched before it is cut.
const window = time.Minute

// steady puts bounds on standing still and on trickling around the body of a request, and returns what to answer on.
func (l *Limits) steady(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if l.Stalled <= 0 {
		return w
	}
	body := &steadyBody{ReadCloser: r.Body, connection: http.NewResponseController(w), stalled: time.Duration(l.Stalled), slowest: l.Slowest}
	r.Body = body
	return &slowAnswer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, body: body}
}

// slowAnswer tells a client that was too slow so. The server takes its deadline for a client that is gone, and Caddy would
// answer such a one with a status that is for logs alone.
type slowAnswer struct {
	*caddyhttp.ResponseWriterWrapper
	body *steadyBody
}

// WriteHeader replaces the status of a client that is gone.
func (a *slowAnswer) WriteHeader(status int) {
	const gone = 499
	if status == gone && a.body.slow.Load() {
		_ = refuse(a.ResponseWriterWrapper, http.StatusBadRequest, "RequestTimeout", "The body comes too slowly.")
		return
	}
	a.ResponseWriterWrapper.WriteHeader(status)
}

// steadyBody fails when the client stands still or trickles. Only waiting for the client counts: MinIO may take its
// time. One goroutine reads it, as with any body.
type steadyBody struct {
	io.ReadCloser
	connection *http.ResponseController
	stalled    time.Duration
	slowest    int64

	deadline time.Time
	waited   time.Duration
	brought  int64
	// over is set when there is no more to come.
	over bool
	// slow is set when that is because the client was too slow; the one who answers reads it.
	slow atomic.Bool
}

// Read reads with a deadline, which is set anew at most once a second: that is precise enough, and cheap.
func (b *steadyBody) Read(p []byte) (int, error) {
	began := time.Now()
	if next := began.Add(b.stalled); next.Sub(b.deadline) > min(time.Second, b.stalled/4) {
		if b.connection.SetReadDeadline(next) == nil {
			b.deadline = next
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(began)
	b.brought += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.slow.Store(true)
		return n, tooSlow
	case err != nil:
		// The deadline would hit whoever waits for the answer.
		b.over = true
		_ = b.connection.SetReadDeadline(time.Time{})
		return n, err
	case b.waited < window:
		return n, nil
	case b.brought < b.slowest*int64(b.waited/time.Second):
		b.slow.Store(true)
		return n, tooSlow
	}
	b.waited, b.brought = 0, 0
	return n, nil
}

// Close gives the connection a moment for what is left of a body that nobody wants; the next request gets deadlines of
// its own.
func (b *steadyBody) Close() error {
	if !b.over {
		_ = b.connection.SetReadDeadline(time.Now().Add(min(b.stalled, 5*time.Second)))
	}
	return b.ReadCloser.Close()
}

var tooSlow = caddyhttp.Error(http.StatusRequestTimeout, errors.New("the body comes too slowly"))
