package minio

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/primecloud/primecloud/pkg/port"
)

// trouble is what went wrong with a request: no answer (cause), or an answer that is none
// of success (status, and the server's code).
type trouble struct {
	status int
	code   string
	cause  error
}

func (t *trouble) Error() string {
	if t.cause != nil {
		return t.cause.Error()
	}
	return http.StatusText(t.status) + " " + spelled(t.code)
}

func (t *trouble) Unwrap() error { return t.cause }

// attempt follows the requests of one call, so that its trouble ends the call at once.
type attempt struct {
	cancel  context.CancelFunc
	trouble *trouble
}

type attemptKey struct{}

// once is the transport of all clients. The clients repeat failed requests up to ten
// times over seconds, one of them without a setting for it; so the transport notes what
// went wrong and ends the call.
type once struct{ base http.RoundTripper }

func (o *once) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, errors.New("minio: a request outside of a call")
	}
	res, err := o.base.RoundTrip(req)
	if err != nil {
		a.fail(&trouble{cause: err})
		return nil, err
	}
	if res.StatusCode < http.StatusMultipleChoices {
		return res, nil
	}
	// The call is about to end, and its response with it.
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	t := &trouble{status: res.StatusCode}
	if err == nil {
		t.code = explain(res.Header, body)
	}
	a.fail(t)
	return res, nil
}

func (a *attempt) fail(t *trouble) {
	if a.trouble == nil {
		a.trouble = t
	}
	a.cancel()
}

// explain reads the server's code: in XML from S3, in XML within XML from STS, in JSON from
// administration, in a header where there is no body. The server's text is left behind: it
// may repeat the request, and with it a key id.
func explain(header http.Header, body []byte) string {
	var said struct {
		Code  string
		Error struct{ Code string }
	}
	if json.Unmarshal(body, &said) != nil && xml.Unmarshal(body, &said) != nil {
		return header.Get("X-Minio-Error-Code")
	}
	if said.Code == "" {
		return said.Error.Code
	}
	return said.Code
}

// call runs one method of a port: decorated, bounded in time, classified.
func (b *Backend) call(ctx context.Context, method string, do func(context.Context) error) error {
	return b.cfg.Around(ctx, "minio."+method, func(ctx context.Context) error {
		return b.request(ctx, do)
	})
}

// value is call for a method that returns something.
func value[T any](ctx context.Context, b *Backend, method string, do func(context.Context) (T, error)) (T, error) {
	return port.Value(ctx, b.cfg.Around, "minio."+method, func(ctx context.Context) (T, error) {
		var got T
		err := b.request(ctx, func(ctx context.Context) error {
			var err error
			got, err = do(ctx)
			return err
		})
		return got, err
	})
}

// request runs what talks to the server: one request, or one after the other. What runs
// at the same time needs a request each, since trouble of one ends it.
func (b *Backend) request(parent context.Context, do func(context.Context) error) error {
	return b.requestWithin(parent, b.cfg.CallTimeout, do)
}

func (b *Backend) requestWithin(parent context.Context, most time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, most)
	defer cancel()
	a := &attempt{cancel: cancel}
	err := do(context.WithValue(ctx, attemptKey{}, a))
	if a.trouble != nil {
		// Also where the client makes a success of it: it answers a refused question about a
		// bucket's location with its own guess.
		err = a.trouble
	}
	if err == nil {
		return nil
	}
	return classify(parent, err)
}
