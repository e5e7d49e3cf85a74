package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
)

// streamWithin is the longest that a file may take to be sent; each part of it must get away
// within Config.Timeout.
const streamWithin = 30 * time.Minute

// Delimiter says that nothing stands between the messages of a stream: they are the parts
// of a file.
func (*codec) Delimiter() []byte { return nil }

// NewStream opens a stream on which the server answers one request with the parts of a file.
func (c *conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	k, p := call.FromContext(ctx), c.plans[method]
	if k == nil || p == nil || desc.ClientStreams {
		return nil, errs.Newf(errs.Internal, "INTERNAL", "%s is no stream that a request opens", method)
	}
	k.Method, k.Route = method, p.route
	if !p.public && k.Refusal != nil {
		return nil, k.Refusal
	}
	s := &stream{conn: c, call: k, plan: p, bearer: k.Bearer, open: func(bearer string) (grpc.ClientStream, error) {
		return c.inner.NewStream(outgoing(ctx, k, bearer), desc, method)
	}}
	if p.public {
		s.bearer = ""
	}
	var err error
	s.ClientStream, err = s.open(s.bearer)
	if err != nil {
		return nil, c.name(rpc.FromStatus(err))
	}
	return s, nil
}

// stream is one stream. A token of the cache that is refused is replaced, as long as nothing
// has come.
type stream struct {
	grpc.ClientStream
	conn    *conn
	call    *call.Call
	plan    *plan
	bearer  string
	request any
	// first is the first part, once it has come and until it was taken.
	first *httpbody.HttpBody
	open  func(bearer string) (grpc.ClientStream, error)
}

// SendMsg sends the request.
func (s *stream) SendMsg(m any) error {
	if err := s.plan.admit(s.call, m); err != nil {
		return err
	}
	s.request = m
	return s.ClientStream.SendMsg(m)
}

// Header waits for the first part, so that a call which is refused gets an answer like any
// other. Headers of streams are nobody's business here.
func (s *stream) Header() (metadata.MD, error) {
	s.first = &httpbody.HttpBody{}
	err := s.ClientStream.RecvMsg(s.first)
	if err != nil && s.bearer != "" && s.call.Renewer != nil && replaceable(err) {
		if err = s.again(); err == nil {
			err = s.ClientStream.RecvMsg(s.first)
		}
	}
	if errors.Is(err, io.EOF) {
		s.first = nil
		return nil, nil
	}
	if err != nil {
		return nil, s.conn.name(rpc.FromStatus(err))
	}
	return nil, nil
}

// RecvMsg receives a part. A file that fails on the way ends with its connection, so that
// nobody takes a part for the whole.
func (s *stream) RecvMsg(m any) error {
	if first := s.first; first != nil {
		s.first = nil
		proto.Merge(m.(proto.Message), first)
		return nil
	}
	err := s.ClientStream.RecvMsg(m)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	s.call.Failure = s.conn.name(rpc.FromStatus(err))
	panic(http.ErrAbortHandler)
}

// again opens the stream anew with another token.
func (s *stream) again() error {
	bearer, err := s.call.Renewer.Renew(s.ClientStream.Context(), s.bearer)
	if err != nil {
		return err
	}
	s.bearer = ""
	if s.ClientStream, err = s.open(bearer); err != nil {
		return err
	}
	if err := s.ClientStream.SendMsg(s.request); err != nil {
		return err
	}
	return s.ClientStream.CloseSend()
}

// isStream reports whether a path is one whose answer is a file.
func (e *Edge) isStream(method, path string) bool {
	if method != http.MethodGet || strings.LastIndexByte(path, ':') < 0 {
		return false
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, r := range e.routes {
		if r.streams && r.matches(segments) {
			return true
		}
	}
	return false
}

// file sends a file: whatever is written must get away within the timeout, so that a client
// which takes nothing cannot hold the connection for long.
type file struct {
	http.ResponseWriter
	within time.Duration
}

// Write writes a part.
func (f *file) Write(p []byte) (int, error) {
	// A writer that has no deadlines, as in a test, does without.
	_ = http.NewResponseController(f.ResponseWriter).SetWriteDeadline(time.Now().Add(f.within))
	return f.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (f *file) Unwrap() http.ResponseWriter { return f.ResponseWriter }
