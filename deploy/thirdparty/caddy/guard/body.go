package guard

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// window is how long a slow body is watched before it is cut.
const window = time.Minute

// A body that nobody reads on is still taken in, in these bounds, when the answer has been said.
const (
	lingerBytes = 64 << 20
	lingerTime  = 30 * time.Second
	lingerStill = 5 * time.Second
)

// steady puts bounds on standing still and on trickling around the body of a request.
func (l *Limits) steady(w http.ResponseWriter, r *http.Request) *steadyBody {
	return &steadyBody{ReadCloser: r.Body, connection: http.NewResponseController(w), stalled: time.Duration(l.Stalled), slowest: l.Slowest}
}

// slowAnswer tells a client that was too slow so. The server takes its deadline for a client that is gone, and Caddy would
// answer such a one with a status that is for logs alone.
type slowAnswer struct {
	*caddyhttp.ResponseWriterWrapper
	body *steadyBody
	// said is set when there is an answer: an error of ours has one only after all handlers.
	said bool
}

// WriteHeader replaces the status of a client that is gone.
func (a *slowAnswer) WriteHeader(status int) {
	a.said = a.said || status >= http.StatusOK
	const gone = 499
	if status == gone && a.body.slow.Load() {
		_ = refuse(a.ResponseWriterWrapper, http.StatusBadRequest, "RequestTimeout", "The body comes too slowly.")
		return
	}
	a.ResponseWriterWrapper.WriteHeader(status)
}

// Write answers 200 where nothing else was said.
func (a *slowAnswer) Write(p []byte) (int, error) {
	a.said = true
	return a.ResponseWriterWrapper.Write(p)
}

// ReadFrom is Write for a copy.
func (a *slowAnswer) ReadFrom(from io.Reader) (int64, error) {
	a.said = true
	return a.ResponseWriterWrapper.ReadFrom(from)
}

// steadyBody fails when the client stands still or trickles. Only waiting for the client counts: MinIO may take its
// time. One goroutine reads it, as with any body; linger may come while that still does.
type steadyBody struct {
	io.ReadCloser
	// reading keeps two readers apart.
	reading    sync.Mutex
	connection *http.ResponseController
	stalled    time.Duration
	slowest    int64

	deadline time.Time
	waited   time.Duration
	brought  int64
	// begun is set when somebody asked for the body, over when there is no more to come.
	begun, over atomic.Bool
	// slow is set when that is because the client was too slow; the one who answers reads it.
	slow atomic.Bool
}

// Read reads with a deadline, which is set anew at most once a second: that is precise enough, and cheap.
func (b *steadyBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	began := time.Now()
	if next := began.Add(b.stalled); b.stalled > 0 && next.Sub(b.deadline) > min(time.Second, b.stalled/4) {
		if b.connection.SetReadDeadline(next) == nil {
			b.deadline = next
		}
	}
	n, err := b.take(p)
	b.waited += time.Since(began)
	b.brought += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.slow.Store(true)
		return n, tooSlow
	case err != nil:
		// The deadline would hit whoever waits for the answer.
		b.over.Store(true)
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

// take reads what comes next.
func (b *steadyBody) take(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	return b.ReadCloser.Read(p)
}

// Close leaves the body open for linger; the server closes it in the end.
func (b *steadyBody) Close() error { return nil }

// linger takes in what a client still sends after it got its answer. A client that sends first and listens afterwards
// would otherwise find a connection that was reset, and never learn what it was refused for.
func (b *steadyBody) linger(r *http.Request, answered bool) {
	if b.over.Load() || r.ProtoMajor != 1 {
		return // streams of HTTP/2 end one by one
	}
	// One who waits for a word before sending has got the answer instead.
	waits := r.Header.Get("Expect") != "" && !b.begun.Load()
	if b.slow.Load() || waits || !answered || b.connection.Flush() != nil {
		// The server takes in a little by itself, and not for ever.
		_ = b.connection.SetReadDeadline(time.Now().Add(lingerStill))
		return
	}
	end, rest := time.Now().Add(lingerTime), make([]byte, 32<<10)
	for left := lingerBytes; left > 0 && time.Now().Before(end); {
		if b.connection.SetReadDeadline(time.Now().Add(lingerStill)) != nil {
			return
		}
		n, err := b.take(rest)
		if left -= n; err != nil {
			return
		}
	}
}

var tooSlow = caddyhttp.Error(http.StatusRequestTimeout, errors.New("the body comes too slowly"))
